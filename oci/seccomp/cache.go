package seccomp

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// compilerVersion changes whenever Compile makes another program of the same profile.
const compilerVersion = 1

// Digest names the program that Compile makes of p: the same profile, architecture and compiler give the same name,
// 64 hexadecimal digits.
func Digest(p *specs.LinuxSeccomp, goarch string) string {
	if goarch == "" {
		goarch = runtime.GOARCH
	}
	d := digester{hash: sha256.New()}
	d.number(compilerVersion)
	d.text(goarch)
	d.action(p.DefaultAction, p.DefaultErrnoRet)
	d.number(uint64(len(p.Architectures)))
	for _, a := range p.Architectures {
		d.text(string(a))
	}
	d.number(uint64(len(p.Flags)))
	if p.Flags == nil {
		d.number(1) // no list is not the empty list
	}
	for _, f := range p.Flags {
		d.text(string(f))
	}
	for i := range p.Syscalls {
		d.rule(&p.Syscalls[i])
	}
	d.flush()
	return hex.EncodeToString(d.hash.Sum(nil))
}

// digester writes values so that no two profiles give the same bytes: every list and text after its length.
type digester struct {
	hash hash.Hash
	buf  []byte
}

func (d *digester) number(n uint64) { d.buf = binary.AppendUvarint(d.buf, n) }

func (d *digester) text(s string) {
	d.number(uint64(len(s)))
	d.buf = append(d.buf, s...)
}

func (d *digester) action(a specs.LinuxSeccompAction, errno *uint) {
	d.text(string(a))
	if errno == nil {
		d.number(0)
		return
	}
	d.number(1)
	d.number(uint64(*errno))
}

func (d *digester) rule(r *specs.LinuxSyscall) {
	d.action(r.Action, r.ErrnoRet)
	d.number(uint64(len(r.Args)))
	for _, a := range r.Args {
		d.number(uint64(a.Index))
		d.number(a.Value)
		d.number(a.ValueTwo)
		d.text(string(a.Op))
	}
	d.number(uint64(len(r.Names)))
	for _, name := range r.Names {
		d.text(name)
	}
	d.flush()
}

func (d *digester) flush() {
	d.hash.Write(d.buf)
	d.buf = d.buf[:0]
}

// CompileCached is Compile with a cache of compiled programs in dir, which is made when it is missing; "" is no cache. A cache
// that cannot be read or written, or is damaged, costs time and nothing else. Whoever can write to dir decides what
// containers may do: it must be the engine's own.
func CompileCached(dir string, p *specs.LinuxSeccomp, goarch string) (*Program, error) {
	if dir == "" {
		return Compile(p, goarch)
	}
	path := filepath.Join(dir, Digest(p, goarch))
	if data, err := os.ReadFile(path); err == nil {
		if prog, err := decode(data); err == nil {
			return prog, nil
		}
	}
	prog, err := Compile(p, goarch)
	if err != nil {
		return nil, err
	}
	_ = store(dir, path, encode(prog))
	return prog, nil
}

// store writes a cache file beside its place and renames it.
func store(dir, path string, data []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".tmp-"+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

var errDamaged = errors.New("damaged cache file")

// encode gives a cache file: the SHA-256 of the rest, the flags in 8 bytes, the filter.
func encode(p *Program) []byte {
	body := binary.LittleEndian.AppendUint64(nil, uint64(p.Flags))
	body = append(body, p.Filter...)
	sum := sha256.Sum256(body)
	return append(sum[:], body...)
}

func decode(data []byte) (*Program, error) {
	const head = sha256.Size + 8
	if len(data) <= head || (len(data)-head)%8 != 0 || len(data) > head+8*maxInstructions {
		return nil, errDamaged
	}
	if sha256.Sum256(data[sha256.Size:]) != [sha256.Size]byte(data[:sha256.Size]) {
		return nil, errDamaged
	}
	return &Program{Filter: data[head:], Flags: uint(binary.LittleEndian.Uint64(data[sha256.Size:]))}, nil
}
