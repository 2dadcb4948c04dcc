package layertar

import "encoding/binary"

// checksum continues the CRC-64 of ISO 3309 as hash/crc64 does, in less than half of the time. Its polynomial is sparse, x⁶⁴+x⁴+x³+x+1, so that
// shifts take the place of tables. Bit 63 is the coefficient of x⁰.
func checksum(crc uint64, p []byte) uint64 {
	a, b := ^crc, uint64(0)
	for ; len(p) >= 32; p = p[16:] { // two words at a time do not wait for each other
		a = times128(a ^ binary.LittleEndian.Uint64(p))
		b = times128(b ^ binary.LittleEndian.Uint64(p[8:]))
	}
	for ; len(p) >= 8; p = p[8:] {
		a, b = times64(a^binary.LittleEndian.Uint64(p))^b, 0
	}
	if len(p) > 0 {
		var last [8]byte
		copy(last[8-len(p):], p)
		n := 8 * len(p)
		a = times64(a<<(64-n)^binary.LittleEndian.Uint64(last[:])) ^ a>>n
	}
	return ^a
}

// times64 multiplies with x⁶⁴, which is x⁴+x³+x+1.
func times64(a uint64) uint64 { return a ^ a>>1 ^ a>>3 ^ a>>4 ^ reduce(a<<63^a<<61^a<<60) }

// times128 multiplies with x¹²⁸, which is x⁸+x⁶+x²+1.
func times128(a uint64) uint64 { return a ^ a>>2 ^ a>>6 ^ a>>8 ^ reduce(a<<62^a<<58^a<<56) }

// reduce is times64 of what has no powers from x⁶⁰ on.
func reduce(a uint64) uint64 { return a ^ a>>1 ^ a>>3 ^ a>>4 }
