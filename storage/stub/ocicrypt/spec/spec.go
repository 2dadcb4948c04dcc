// Package spec names the media types of encrypted layers, so that they are recognised and refused.
package spec

// The media types, as the OCI image encryption proposal gives them.
const (
	MediaTypeLayerEnc                     = "application/vnd.oci.image.layer.v1.tar+encrypted"
	MediaTypeLayerGzipEnc                 = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"
	MediaTypeLayerZstdEnc                 = "application/vnd.oci.image.layer.v1.tar+zstd+encrypted"
	MediaTypeLayerNonDistributableEnc     = "application/vnd.oci.image.layer.nondistributable.v1.tar+encrypted"
	MediaTypeLayerNonDistributableGzipEnc = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip+encrypted"
	MediaTypeLayerNonDistributableZstdEnc = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd+encrypted"
)
