package stack

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

var ethernet = []byte{1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 8, 0}

// request is an echo request from 10.0.2.100 to 192.0.2.1.
func request() []byte {
	b := make([]byte, header.IPv4MinimumSize+header.ICMPv4MinimumSize+3)
	h := header.IPv4(b)
	h.Encode(&header.IPv4Fields{TotalLength: uint16(len(b)), TTL: 9, Protocol: uint8(header.ICMPv4ProtocolNumber)})
	copy(b[12:], []byte{10, 0, 2, 100, 192, 0, 2, 1})
	b[header.IPv4MinimumSize] = byte(header.ICMPv4Echo)
	return b
}

func TestParseEchoRefuses(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"short":      func(b []byte) []byte { return b[:25] },
		"fragment":   func(b []byte) []byte { b[6] = 0x20; return b },
		"options":    func(b []byte) []byte { b[0] = 0x46; return b },
		"too long":   func(b []byte) []byte { b[2] = 9; return b },
		"UDP":        func(b []byte) []byte { b[9] = 17; return b },
		"echo reply": func(b []byte) []byte { b[20] = 0; return b },
	} {
		if _, ok := parseEcho(header.IPv4ProtocolNumber, ethernet, change(request())); ok {
			t.Errorf("%s is taken for an echo request", name)
		}
	}
}

func TestEchoAnswer(t *testing.T) {
	e, ok := parseEcho(header.IPv4ProtocolNumber, ethernet, request())
	if !ok || e.to != netip.MustParseAddr("192.0.2.1") {
		t.Fatalf("got %v, %v", e, ok)
	}
	frame := e.answer(append([]byte{byte(header.ICMPv4EchoReply)}, e.message[1:]...))
	ip := header.IPv4(frame[header.EthernetMinimumSize:])
	if frame[0] != 2 || frame[6] != 1 || ip.SourceAddress().String() != "192.0.2.1" || ip.DestinationAddress().String() != "10.0.2.100" || !ip.IsChecksumValid() {
		t.Errorf("got %x", frame)
	}
}

func FuzzParseEcho(f *testing.F) {
	f.Add(request(), false)
	f.Fuzz(func(t *testing.T, ip []byte, six bool) {
		protocol := header.IPv4ProtocolNumber
		if six {
			protocol = header.IPv6ProtocolNumber
		}
		if len(ip) > 65535 {
			return
		}
		if e, ok := parseEcho(protocol, ethernet, ip); ok {
			e.answer(e.message)
		}
	})
}
