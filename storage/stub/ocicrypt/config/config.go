// Package config holds the types that callers of ocicrypt name.
package config

// EncryptConfig names the recipients of a layer.
type EncryptConfig struct {
	Parameters    map[string][][]byte
	DecryptConfig DecryptConfig
}

// DecryptConfig names the keys of a layer.
type DecryptConfig struct {
	Parameters map[string][][]byte
}
