// Package kept names compiled seccomp filters, and finds them again on disk.
//
// It is light: the standard library and the specification's types only.
package kept

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"os"
	"path"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// MaxInstructions is BPF_MAXINSNS of linux/bpf_common.h.
const MaxInstructions = 4096

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

// Find gives the filter that the cache in dir holds for p, with SECCOMP_FILTER_FLAG_*. A damaged file is as none.
func Find(dir string, p *specs.LinuxSeccomp, goarch string) (filter []byte, flags uint, ok bool) {
	data, err := os.ReadFile(path.Join(dir, Digest(p, goarch)))
	if err != nil {
		return nil, 0, false
	}
	filter, flags, err = decode(data)
	return filter, flags, err == nil
}

var errDamaged = errors.New("damaged cache file")

// Encode gives a cache file: the SHA-256 of the rest, the flags in 8 bytes, the filter.
func Encode(filter []byte, flags uint) []byte {
	body := binary.LittleEndian.AppendUint64(nil, uint64(flags))
	body = append(body, filter...)
	sum := sha256.Sum256(body)
	return append(sum[:], body...)
}

func decode(data []byte) (filter []byte, flags uint, err error) {
	const head = sha256.Size + 8
	if len(data) <= head || (len(data)-head)%8 != 0 || len(data) > head+8*MaxInstructions {
		return nil, 0, errDamaged
	}
	if sha256.Sum256(data[sha256.Size:]) != [sha256.Size]byte(data[:sha256.Size]) {
		return nil, 0, errDamaged
	}
	return data[head:], uint(binary.LittleEndian.Uint64(data[sha256.Size:])), nil
}
