package engine

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// noDetachKeys switches the detach keys off.
const noDetachKeys = "-"

const defaultDetachKeys = "ctrl-p,ctrl-q"

// parseKeys reads a detach sequence: keys with commas between, each a character or ctrl- and one of a-z @ ^ [ \ ] _ (moby term/ascii.go).
func parseKeys(s string) ([]byte, error) {
	if s == "" {
		s = defaultDetachKeys
	}
	var keys []byte
	for _, key := range strings.Split(s, ",") {
		code, ok := keyCode(key)
		if !ok {
			return nil, fmt.Errorf("invalid detach keys (%s): unknown character: '%s'", s, key)
		}
		keys = append(keys, code)
	}
	return keys, nil
}

func keyCode(key string) (byte, bool) {
	if len(key) == 1 {
		return key[0], true
	}
	key, ctrl := strings.CutPrefix(strings.ToLower(key), "ctrl-")
	switch {
	case !ctrl || len(key) != 1:
		return 0, false
	case key[0] >= 'a' && key[0] <= 'z', strings.ContainsAny(key, `@[\]^_`):
		return key[0] & 0x1f, true
	}
	return 0, false
}

// keyReader reads input and ends with ErrDetached when the detach keys were typed. They are not passed on, but the beginning of a
// sequence that goes on otherwise is.
type keyReader struct {
	from io.Reader
	keys []byte
	seen int // how many of keys came last
}

func newKeyReader(from io.Reader, keys []byte) io.Reader {
	if len(keys) == 0 {
		return from
	}
	return &keyReader{from: from, keys: keys}
}

// Read needs a buffer longer than the detach keys.
func (k *keyReader) Read(b []byte) (int, error) {
	in := make([]byte, len(b)-len(k.keys))
	n, err := k.from.Read(in)
	out := bytes.NewBuffer(b[:0])
	for _, c := range in[:n] {
		if c == k.keys[k.seen] {
			k.seen++
			if k.seen == len(k.keys) {
				return out.Len(), ErrDetached
			}
			continue
		}
		out.Write(k.keys[:k.seen])
		k.seen = 0
		if c == k.keys[0] && len(k.keys) > 1 {
			k.seen = 1
			continue
		}
		out.WriteByte(c)
	}
	if err != nil { // the end: what looked like a beginning was none
		out.Write(k.keys[:k.seen])
		k.seen = 0
	}
	return out.Len(), err
}
