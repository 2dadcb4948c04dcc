package storage

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"
)

// platform is what a `--platform` chooses; the zero value is this machine.
type platform struct{ os, arch, variant string }

// parsePlatform reads os/arch[/variant], or an arch alone.
func parsePlatform(s string) (platform, error) {
	parts := strings.Split(s, "/")
	switch {
	case s == "":
		return platform{}, nil
	case contains(parts, "") || len(parts) > 3:
		return platform{}, fmt.Errorf("invalid platform %q: os/arch or os/arch/variant", s)
	case len(parts) == 1:
		return platform{os: "linux", arch: normalArch(parts[0])}, nil
	case len(parts) == 2:
		return platform{os: parts[0], arch: normalArch(parts[1])}, nil
	}
	return platform{os: parts[0], arch: normalArch(parts[1]), variant: parts[2]}, nil
}

// matches says whether an image is for the platform. An image without a variant is for all of them.
func (p platform) matches(image v1.Platform) bool {
	return p.arch == "" || image.OS == p.os && image.Architecture == p.arch && (p.variant == "" || image.Variant == "" || image.Variant == p.variant)
}

// CheckPlatform says whether the image is for a `--platform`, os/arch[/variant]; "" is any. The error is an ErrNoImage in Docker's words.
func (i *Image) CheckPlatform(wanted string) error {
	p, err := parsePlatform(wanted)
	if err != nil || p.matches(i.Config.Platform) {
		return err
	}
	return fmt.Errorf("%w: the image's platform (%s/%s) does not match the specified platform (%s)", ErrNoImage, i.Config.OS, i.Config.Architecture, wanted)
}

// normalArch gives Go's name of an architecture, as containerd's platforms package does.
func normalArch(arch string) string {
	switch arch {
	case "x86_64", "x86-64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "i386":
		return "386"
	}
	return arch
}

// system says how containers/image is to behave: nothing of the host's configuration is read but credentials and the
// certificates that Docker reads too.
func (s *Store) system(p platform) *types.SystemContext {
	missing := filepath.Join(string(s.dir), "no-such-directory")
	root := ""
	if s.options.Rootless && os.Getenv("XDG_RUNTIME_DIR") == "" {
		root = missing // not /run/containers/0 of the host's root, for which a user namespace's root would take itself
	}
	return &types.SystemContext{
		RootForImplicitAbsolutePaths: root,

		OSChoice:                    p.os,
		ArchitectureChoice:          p.arch,
		VariantChoice:               p.variant,
		SystemRegistriesConfPath:    "/dev/null",
		SystemRegistriesConfDirPath: missing,
		UserShortNameAliasConfPath:  filepath.Join(missing, "aliases"),
		RegistriesDirPath:           missing,
		DockerPerHostCertDirPath:    "/etc/docker/certs.d",
		DockerRegistryUserAgent:     "hoy",
		BlobInfoCacheDir:            missing,
		BigFilesTemporaryDir:        s.leases(),
	}
}

// local says whether a registry is on this machine's loopback, where Docker trusts it without TLS.
func local(named reference.Named) bool {
	host := reference.Domain(named)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
