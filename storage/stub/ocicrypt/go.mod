module github.com/containers/ocicrypt

go 1.25.0

require github.com/opencontainers/image-spec v1.1.1

require github.com/opencontainers/go-digest v1.0.0
