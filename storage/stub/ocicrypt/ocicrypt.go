// Package ocicrypt stands in for the module of this name: it refuses encrypted layers, as Docker does, and so keeps gRPC, PKCS#11 and
// JOSE out of the binary.
package ocicrypt

import (
	"errors"
	"io"

	"github.com/containers/ocicrypt/config"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// ErrUnsupported is what every function here returns.
var ErrUnsupported = errors.New("encrypted image layers are not supported")

// EncryptLayerFinalizer gives the annotations of an encrypted layer.
type EncryptLayerFinalizer func() (map[string]string, error)

// EncryptLayer returns ErrUnsupported.
func EncryptLayer(*config.EncryptConfig, io.Reader, v1.Descriptor) (io.Reader, EncryptLayerFinalizer, error) {
	return nil, nil, ErrUnsupported
}

// DecryptLayer returns ErrUnsupported.
func DecryptLayer(*config.DecryptConfig, io.Reader, v1.Descriptor, bool) (io.Reader, digest.Digest, error) {
	return nil, "", ErrUnsupported
}
