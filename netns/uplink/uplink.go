// Package uplink says what the process is that is a rootless container's way out.
//
// That process (role "hoy-uplink", package uplink/stack) runs a TCP/IP stack of its own on the other end of the container's
// link, and connects with ordinary sockets of the user's. It runs while the container has something to say (package wake). It ends when the
// link goes, and the link goes with the container's namespace.
package uplink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"codeberg.org/hoy/hoy/netns/wake"
)

// Role is the name by which the program is started as this process: argv[0].
const Role = "hoy-uplink"

// deviceFD is the link's descriptor in the process. The one after it is the frame that the process was started for.
const deviceFD = wake.FirstFD

const maxFrame = 1 << 17 // more than any

// Options say what the stack is to the container.
type Options struct {
	MTU      int        `json:"mtu"`
	MAC      string     `json:"mac"`           // the gateway's
	Gateway4 netip.Addr `json:"gateway4"`      // its address; what is sent to it goes to the host itself
	Gateway6 netip.Addr `json:"gateway6"`      // invalid: no IPv6
	DNS4     netip.Addr `json:"dns4,omitzero"` // port 53 of it is the host's first name server
	DNS6     netip.Addr `json:"dns6,omitzero"`
	Bits4    int        `json:"bits4"` // length of the subnets
	Bits6    int        `json:"bits6"`
}

// Part is the process, for package wake: device is the link's place in the list of files.
func Part(o Options, device int) (wake.Part, error) {
	config, err := json.Marshal(o)
	if err != nil {
		return wake.Part{}, fmt.Errorf("encode the user-mode network: %w", err)
	}
	return wake.Part{Args: []string{Role, string(config)}, Files: []int{device}, Watch: []int{device}, Link: true, Confined: true}, nil
}

// Inherited gives the process what it was started with: its options, the link, and the frame that it was started for.
func Inherited(args []string) (o Options, device *os.File, frame []byte, err error) {
	if len(args) != 2 {
		return o, nil, nil, errors.New("the user-mode network is started by hoy itself")
	}
	if err := json.Unmarshal([]byte(args[1]), &o); err != nil {
		return o, nil, nil, fmt.Errorf("read options: %w", err)
	}
	f := os.NewFile(deviceFD+1, "frame")
	defer f.Close()
	frame, err = io.ReadAll(io.NewSectionReader(f, 0, maxFrame))
	return o, os.NewFile(deviceFD, "device"), frame, err
}
