// Package errcode stands in for the one of this name: the errors that a registry answers with (OCI Distribution Specification, "Error Codes"). The
// original belongs to a registry's routes, whose regular expressions take a millisecond of every start.
package errcode

import (
	"encoding/json"
	"fmt"
	"strings"
)

// ErrorCode is what a registry says was wrong. The zero value is ErrorCodeUnknown.
type ErrorCode int

// The codes. Package v2 gives those of images their names.
const (
	ErrorCodeUnknown ErrorCode = iota
	ErrorCodeUnsupported
	ErrorCodeUnauthorized
	ErrorCodeDenied
	ErrorCodeUnavailable
	ErrorCodeTooManyRequests
	DigestInvalid
	SizeInvalid
	NameInvalid
	TagInvalid
	NameUnknown
	ManifestUnknown
	ManifestInvalid
	ManifestUnverified
	ManifestBlobUnknown
	BlobUnknown
	BlobUploadUnknown
	BlobUploadInvalid
)

var codes = [...]struct{ value, message string }{
	ErrorCodeUnknown:         {"UNKNOWN", "unknown error"},
	ErrorCodeUnsupported:     {"UNSUPPORTED", "The operation is unsupported."},
	ErrorCodeUnauthorized:    {"UNAUTHORIZED", "authentication required"},
	ErrorCodeDenied:          {"DENIED", "requested access to the resource is denied"},
	ErrorCodeUnavailable:     {"UNAVAILABLE", "service unavailable"},
	ErrorCodeTooManyRequests: {"TOOMANYREQUESTS", "too many requests"},
	DigestInvalid:            {"DIGEST_INVALID", "provided digest did not match uploaded content"},
	SizeInvalid:              {"SIZE_INVALID", "provided length did not match content length"},
	NameInvalid:              {"NAME_INVALID", "invalid repository name"},
	TagInvalid:               {"TAG_INVALID", "manifest tag did not match URI"},
	NameUnknown:              {"NAME_UNKNOWN", "repository name not known to registry"},
	ManifestUnknown:          {"MANIFEST_UNKNOWN", "manifest unknown"},
	ManifestInvalid:          {"MANIFEST_INVALID", "manifest invalid"},
	ManifestUnverified:       {"MANIFEST_UNVERIFIED", "manifest failed signature verification"},
	ManifestBlobUnknown:      {"MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"},
	BlobUnknown:              {"BLOB_UNKNOWN", "blob unknown to registry"},
	BlobUploadUnknown:        {"BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"},
	BlobUploadInvalid:        {"BLOB_UPLOAD_INVALID", "blob upload invalid"},
}

// ErrorCoder is an error with a code.
type ErrorCoder interface {
	ErrorCode() ErrorCode
}

// ErrorCode gives the code itself.
func (c ErrorCode) ErrorCode() ErrorCode { return c }

// Error gives the code in words: "manifest unknown".
func (c ErrorCode) Error() string {
	return strings.ToLower(strings.ReplaceAll(codes[c].value, "_", " "))
}

// Message is what the code means.
func (c ErrorCode) Message() string { return codes[c].message }

// UnmarshalText reads the code of an answer. One that is not known is ErrorCodeUnknown.
func (c *ErrorCode) UnmarshalText(text []byte) error {
	*c = ErrorCodeUnknown
	for i := range codes {
		if codes[i].value == string(text) {
			*c = ErrorCode(i)
		}
	}
	return nil
}

// WithMessage gives an error with a text of its own.
func (c ErrorCode) WithMessage(message string) Error { return Error{Code: c, Message: message} }

// WithDetail gives an error with more about it.
func (c ErrorCode) WithDetail(detail any) Error {
	return Error{Code: c, Message: c.Message(), Detail: detail}
}

// Error is one error of an answer.
type Error struct {
	Code    ErrorCode `json:"code"`
	Message string    `json:"message"`
	Detail  any       `json:"detail,omitempty"`
}

// ErrorCode gives its code.
func (e Error) ErrorCode() ErrorCode { return e.Code }

// Error gives the code and the message.
func (e Error) Error() string { return e.Code.Error() + ": " + e.Message }

// Errors are all errors of an answer: each an Error, or an ErrorCode when nothing else was said.
type Errors []error

// Error gives them line by line.
func (list Errors) Error() string {
	switch len(list) {
	case 0:
		return "<nil>"
	case 1:
		return list[0].Error()
	}
	text := "errors:\n"
	for _, err := range list {
		text += err.Error() + "\n"
	}
	return text
}

// UnmarshalJSON reads {"errors": […]}.
func (list *Errors) UnmarshalJSON(data []byte) error {
	var answer struct{ Errors []Error }
	if err := json.Unmarshal(data, &answer); err != nil {
		return fmt.Errorf("errors of a registry: %w", err)
	}
	*list = nil
	for _, e := range answer.Errors {
		if e.Message == "" {
			e.Message = e.Code.Message()
		}
		if e.Detail == nil && e.Message == e.Code.Message() {
			*list = append(*list, e.Code)
		} else {
			*list = append(*list, e)
		}
	}
	return nil
}
