// Package v2 stands in for the one of this name: a registry's error codes that concern images.
package v2

import "github.com/docker/distribution/registry/api/errcode"

// The codes.
const (
	ErrorCodeTagInvalid      = errcode.TagInvalid
	ErrorCodeNameUnknown     = errcode.NameUnknown
	ErrorCodeManifestUnknown = errcode.ManifestUnknown
	ErrorCodeManifestInvalid = errcode.ManifestInvalid
	ErrorCodeBlobUnknown     = errcode.BlobUnknown
)
