package layertar

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"

	"github.com/vbatts/tar-split/tar/storage"
)

func TestChecksum(t *testing.T) {
	data := make([]byte, 300)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	for n := range data {
		for _, cut := range []int{0, n / 3, n} {
			got := checksum(checksum(0, data[:cut]), data[cut:n])
			if want := crc64.Checksum(data[:n], storage.CRCTable); got != want {
				t.Fatalf("%d bytes of %x in two parts, the first of %d: %x, want %x", n, data, cut, got, want)
			}
		}
	}
}
