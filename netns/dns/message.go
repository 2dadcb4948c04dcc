package dns

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
)

// Codes of RFC 1035, 3.2 and 4.1.1.
const (
	typeA    = 1
	typePTR  = 12
	typeAAAA = 28
	typeANY  = 255
	classIN  = 1

	flagResponse  = 1 << 15
	flagAuthority = 1 << 10
	flagTruncated = 1 << 9
	flagRecursion = 1 << 8
	flagAvailable = 1 << 7

	codeFormat   = 1
	codeServer   = 2
	codeNoName   = 3
	codeNotKnown = 4

	headerSize = 12
	ttl        = 0 // seconds: what hoy answers may change with the next start, and asking again costs nothing
)

var errMessage = errors.New("malformed DNS message")

// question is the one question of a query.
type question struct {
	name string // lower case, without the last dot
	kind uint16
	end  int // where in the message it ends
}

// parseQuery reads the header and the question of a query: exactly one, class IN, opcode 0.
func parseQuery(msg []byte) (question, error) {
	if len(msg) < headerSize || binary.BigEndian.Uint16(msg[2:])&flagResponse != 0 {
		return question{}, errMessage
	}
	if binary.BigEndian.Uint16(msg[4:]) != 1 {
		return question{}, errMessage
	}
	name, at, err := parseName(msg, headerSize)
	if err != nil || at+4 > len(msg) {
		return question{}, errMessage
	}
	return question{strings.ToLower(name), binary.BigEndian.Uint16(msg[at:]), at + 4}, nil
}

// parseName reads a name without compression, which a question never has. Labels that hold a dot are not hoy's names: the
// dot is then written so that nothing equals it.
func parseName(msg []byte, at int) (string, int, error) {
	var name []byte
	for {
		if at >= len(msg) {
			return "", 0, errMessage
		}
		n := int(msg[at])
		at++
		if n == 0 {
			return string(name), at, nil
		}
		if n > 63 || at+n > len(msg) || len(name)+n > 254 {
			return "", 0, errMessage
		}
		if len(name) > 0 {
			name = append(name, '.')
		}
		label := msg[at : at+n]
		if strings.IndexByte(string(label), '.') >= 0 {
			label = []byte("\\.")
		}
		name = append(name, label...)
		at += n
	}
}

// answer is the reply to a query: with addresses or a name, or with neither and a code.
type answer struct {
	code  uint16
	addrs []netip.Addr
	name  string // of a PTR
}

// appendReply builds the reply to msg, whose question is q, at most limit bytes long: longer ones are cut and say so.
// An answer of hoy's own has no EDNS record, as RFC 6891 allows.
func appendReply(out, msg []byte, q question, a answer, limit int) []byte {
	flags := binary.BigEndian.Uint16(msg[2:])&flagRecursion | flagResponse | flagAvailable | flagAuthority | a.code
	start := len(out)
	out = append(out, msg[:headerSize]...)
	out = append(out, msg[headerSize:q.end]...)
	count := uint16(0)
	for _, addr := range a.addrs {
		kind, data := uint16(typeA), addr.AsSlice()
		if addr.Is6() {
			kind = typeAAAA
		}
		if len(out)-start+12+len(data) > limit {
			flags |= flagTruncated
			break
		}
		out = appendRecord(out, kind, data)
		count++
	}
	if a.name != "" {
		out = appendRecord(out, typePTR, encodeName(a.name))
		count++
	}
	head := out[start:]
	binary.BigEndian.PutUint16(head[2:], flags)
	binary.BigEndian.PutUint16(head[6:], count)
	binary.BigEndian.PutUint32(head[8:], 0)
	return out
}

// appendRecord adds an answer about the name of the question, to which it points.
func appendRecord(out []byte, kind uint16, data []byte) []byte {
	out = append(out, 0xc0, headerSize)
	out = binary.BigEndian.AppendUint16(out, kind)
	out = binary.BigEndian.AppendUint16(out, classIN)
	out = binary.BigEndian.AppendUint32(out, ttl)
	out = binary.BigEndian.AppendUint16(out, uint16(len(data)))
	return append(out, data...)
}

func encodeName(name string) []byte {
	var out []byte
	for label := range strings.SplitSeq(name, ".") {
		label = label[:min(len(label), 63)]
		out = append(append(out, byte(len(label))), label...)
	}
	return append(out, 0)
}

// failure is the reply to a query that hoy cannot answer: the header and the question come back with a code. A query too short
// to have a header gets none.
func failure(msg []byte, code uint16) []byte {
	if len(msg) < headerSize {
		return nil
	}
	q, err := parseQuery(msg)
	if err != nil {
		q.end, code = headerSize, codeFormat
	}
	out := appendReply(nil, msg, q, answer{code: code}, len(msg)+headerSize)
	binary.BigEndian.PutUint16(out[2:], binary.BigEndian.Uint16(out[2:])&^flagAuthority)
	if err != nil {
		binary.BigEndian.PutUint16(out[4:], 0)
	}
	return out
}

// parseReverse gives the address that a name below in-addr.arpa or ip6.arpa stands for.
func parseReverse(name string) (netip.Addr, bool) {
	if s, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		labels := strings.Split(s, ".")
		if len(labels) != 4 {
			return netip.Addr{}, false
		}
		a, err := netip.ParseAddr(labels[3] + "." + labels[2] + "." + labels[1] + "." + labels[0])
		return a, err == nil
	}
	s, ok := strings.CutSuffix(name, ".ip6.arpa")
	if !ok || len(s) != 63 {
		return netip.Addr{}, false
	}
	var text []byte
	for i := 62; i >= 0; i -= 2 {
		text = append(text, s[i])
		if len(text)%5 == 4 && i > 0 {
			text = append(text, ':')
		}
	}
	a, err := netip.ParseAddr(string(text))
	return a, err == nil
}
