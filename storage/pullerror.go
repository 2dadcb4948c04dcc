package storage

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/docker/distribution/registry/api/errcode"
	v2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/image/v5/docker"
)

// describePull makes one clear line of what a registry or the network said.
func describePull(name string, err error) error {
	var unauthorized docker.ErrUnauthorizedForCredentials
	var dns *net.DNSError
	switch {
	case errors.Is(err, ErrNoSpace), errors.Is(err, ErrCorrupt):
		return fmt.Errorf("pull %s: %w", name, err)
	case errors.Is(err, ErrNoImage), errors.Is(err, ErrBadReference):
		return err
	case errors.As(err, &unauthorized), hasCode(err, errcode.ErrorCodeUnauthorized), hasCode(err, errcode.ErrorCodeDenied):
		return fmt.Errorf("%w: %s: pull access denied, repository does not exist or may require login", ErrNoImage, name)
	case hasCode(err, v2.ErrorCodeManifestUnknown), hasCode(err, v2.ErrorCodeNameUnknown), status(err) == http.StatusNotFound:
		return fmt.Errorf("%w: %s: manifest unknown", ErrNoImage, name)
	case errors.As(err, &dns):
		return fmt.Errorf("pull %s: unknown host %s", name, dns.Name)
	case wrongContent(err):
		return fmt.Errorf("pull %s: %w: %v", name, ErrCorrupt, err)
	}
	return fmt.Errorf("pull %s: %w", name, cause(err))
}

func hasCode(err error, code errcode.ErrorCode) bool {
	var e errcode.Error
	return errors.As(err, &e) && e.Code == code || errors.Is(err, code)
}

// status is the HTTP status that a registry answered without saying more, or 0.
func status(err error) int {
	var e docker.UnexpectedHTTPStatusError
	if errors.As(err, &e) {
		return e.StatusCode
	}
	return 0
}

// wrongContent says whether a blob was not what its digest says. containers/image has only texts for that
// (copy/digesting_reader.go, storage/storage_dest.go).
func wrongContent(err error) bool {
	text := err.Error()
	return strings.Contains(text, "Digest did not match") || strings.Contains(text, "does not match config's DiffID")
}

// cause gives the innermost error of those that the network makes, and else the error itself: what lies around them repeats the
// address several times.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		if op.Addr != nil {
			return fmt.Errorf("%s: %w", op.Addr, op.Err)
		}
		return op.Err
	}
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) {
		return fmt.Errorf("tls: %w", verify.Err)
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return unknown
	}
	return err
}

// transient says whether what failed may work a moment later.
func transient(err error) bool {
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.Is(err, ErrNoSpace), errors.Is(err, ErrCorrupt), errors.Is(err, ErrNoImage):
		return false
	case errors.As(err, &dns):
		return dns.IsTemporary
	case errors.Is(err, syscall.ECONNREFUSED):
		return false
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return true
	case errors.Is(err, docker.ErrTooManyRequests), status(err) >= http.StatusInternalServerError:
		return true
	}
	return errors.As(err, &timeout) && timeout.Timeout()
}
