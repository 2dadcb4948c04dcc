// Package secret keeps what containers are to know and nobody else: one file a secret, readable by its owner alone.
package secret

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The errors that callers test for.
var (
	// ErrNone: no secret has that name, id or prefix.
	ErrNone = errors.New("no such secret")
	// ErrInUse: another secret has the name.
	ErrInUse = errors.New("secret name in use")
)

// MaxSize is how many bytes a secret may have at the most: Docker's and podman's limit.
const MaxSize = 512000

const version = 1

// Secret is one of them, as it is on disk.
type Secret struct {
	Version int               `json:"version"`
	ID      string            `json:"id"` // 25 hexadecimal digits
	Name    string            `json:"name"`
	Created time.Time         `json:"created"`
	Updated time.Time         `json:"updated"`
	Labels  map[string]string `json:"labels,omitempty"`
	Data    []byte            `json:"data"`
}

// Store is the directory of the secrets of one user.
type Store struct{ dir string }

// In gives the store below a root directory. It makes nothing until a secret is made.
func In(root string) Store { return Store{filepath.Join(root, "secrets")} }

// Create makes a secret; ErrInUse where the name is taken, unless replace puts it in the place of the other.
func (s Store) Create(name string, data []byte, labels map[string]string, replace bool) (*Secret, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if len(data) == 0 || len(data) >= MaxSize {
		return nil, fmt.Errorf("secret data must be larger than 0 and less than %d bytes", MaxSize)
	}
	now := time.Now().UTC()
	x := &Secret{Version: version, ID: newID(), Name: name, Created: now, Updated: now, Labels: labels, Data: data}
	return x, s.write(x, replace)
}

// write writes the file beside its place. Where nothing is to be replaced a link gives it its name: that fails when the name is taken.
func (s Store) write(x *Secret, replace bool) (err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, ".new-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(json.NewEncoder(f).Encode(x), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write secret %s: %w", x.Name, err)
	}
	if replace {
		err = os.Rename(f.Name(), s.file(x.Name))
	} else {
		err = os.Link(f.Name(), s.file(x.Name))
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", x.Name, ErrInUse)
	}
	return errors.Join(err, s.sync())
}

// sync makes names survive a power cut.
func (s Store) sync() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s Store) file(name string) string { return filepath.Join(s.dir, name) }

// checkName holds a name against Docker's rule (swarmkit, manager/controlapi/secret.go).
func checkName(name string) error {
	bad := func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("-_. ", r) }
	if len(name) == 0 || len(name) > 64 || strings.ContainsFunc(name, bad) || !alphanumeric(rune(name[0])) || !alphanumeric(rune(name[len(name)-1])) {
		return fmt.Errorf("invalid name %q, only 64 [a-zA-Z0-9-_. ] characters allowed, and the start and end character must be [a-zA-Z0-9]", name)
	}
	return nil
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func newID() string {
	b := make([]byte, 13)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)[:25]
}

// List gives all secrets, by name.
func (s Store) List() ([]*Secret, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []*Secret
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		x, err := s.read(e.Name())
		switch {
		case errors.Is(err, ErrNone): // removed meanwhile
		case err != nil:
			return nil, err
		default:
			list = append(list, x)
		}
	}
	return list, nil
}

// Find gives the secret that a name, an id or the beginning of one id means.
func (s Store) Find(ref string) (*Secret, error) {
	if checkName(ref) == nil {
		if x, err := s.read(ref); !errors.Is(err, ErrNone) {
			return x, err
		}
	}
	list, err := s.List()
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(x *Secret) bool { return ref == "" || !strings.HasPrefix(x.ID, ref) })
	switch len(list) {
	case 0:
		return nil, fmt.Errorf("%w: %s", ErrNone, ref)
	case 1:
		return list[0], nil
	}
	return nil, fmt.Errorf("%q is the beginning of more than one secret's id", ref)
}

func (s Store) read(name string) (*Secret, error) {
	data, err := os.ReadFile(s.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNone, name)
	}
	if err != nil {
		return nil, err
	}
	x := new(Secret)
	if err := json.Unmarshal(data, x); err != nil {
		return nil, fmt.Errorf("secret %s is corrupt: %w", name, err)
	}
	if x.Version > version {
		return nil, fmt.Errorf("secret %s was written by a newer hoy", name)
	}
	return x, nil
}

// Remove removes the secret that ref means. Containers that have it keep it.
func (s Store) Remove(ref string) error {
	x, err := s.Find(ref)
	if err != nil {
		return err
	}
	err = os.Remove(s.file(x.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNone, ref)
	}
	return errors.Join(err, s.sync())
}
