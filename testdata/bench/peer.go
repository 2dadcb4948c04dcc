package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// peerRole is the first word of this program as the server of the network rows: in a container, on the other machine, or in a plain namespace.
// Its second word is the address to listen on. A connection begins with a line, its last line is the answer:
//
//	ping                   "ok"
//	echo                   gives back what comes, line by line
//	pour ADDRESS BYTES     sends so many bytes by iperf3 to the one beside the server at an address, then "ok" and the flow
//	hold ADDRESS N         opens so many connections to the server at an address, has an answer on each, then "ok"; they last as long as this one
//	resolve NAME N         asks the name server of /etc/resolv.conf so often for a name, eight questions at a time, then "ok"
const peerRole = "bench-peer"

func servePeer(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		err = serveIperf(iperfPort(port))
	}
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answer(c)
	}
}

func answer(c net.Conn) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 1<<16)
	line, err := r.ReadString('\n')
	if err != nil {
		return
	}
	switch words := strings.Fields(line); words[0] {
	case "echo":
		for err == nil {
			if line, err = r.ReadString('\n'); err == nil {
				_, err = io.WriteString(c, line)
			}
		}
		return
	case "pour":
		var f flow
		if f, err = pour(words[1], words[2]); err == nil {
			fmt.Fprintln(c, "ok", f.ms, f.share)
			return
		}
	case "hold":
		var held []net.Conn
		held, err = hold(words[1], words[2])
		defer closeAll(held)
		if err == nil {
			fmt.Fprintln(c, "ok")
			r.ReadString('\n')
			return
		}
	case "resolve":
		err = resolve(words[1], words[2])
	}
	if err != nil {
		fmt.Fprintln(c, err)
		return
	}
	fmt.Fprintln(c, "ok")
}

// hold opens connections that echo, and uses each once.
func hold(address, times string) (held []net.Conn, err error) {
	var n int
	if _, err := fmt.Sscan(times, &n); err != nil {
		return nil, err
	}
	for range n {
		c, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			return held, err
		}
		held = append(held, c)
		if err := useOnce(c); err != nil {
			return held, err
		}
	}
	return held, nil
}

func useOnce(c net.Conn) error {
	fmt.Fprint(c, "echo\nhello\n")
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "hello\n" {
		err = fmt.Errorf("the other side: %s", strings.TrimSpace(line))
	}
	return err
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// reply reads the answer, and gives what follows "ok".
func reply(c net.Conn) (string, error) {
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return "", err
	}
	rest, ok := strings.CutPrefix(line, "ok")
	if !ok {
		return "", fmt.Errorf("the other side: %s", strings.TrimSpace(line))
	}
	return rest, nil
}

// ask sends the server one line and waits for "ok". It gives what follows that.
func ask(ns, address, line string) (string, error) {
	c, err := dialFrom(ns, address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	fmt.Fprintln(c, line)
	return reply(c)
}

// resolve asks for a name's address.
func resolve(name, times string) error {
	var n int
	if _, err := fmt.Sscan(times, &n); err != nil {
		return err
	}
	server, err := nameServer()
	if err != nil {
		return err
	}
	const workers = 8
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { errs[i] = queries(server, name, n/workers) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func nameServer() (string, error) {
	data, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if words := strings.Fields(line); len(words) == 2 && words[0] == "nameserver" {
			return net.JoinHostPort(words[1], "53"), nil
		}
	}
	return "", fmt.Errorf("no name server")
}

// queries sends questions one after another and wants an address each time (RFC 1035, 4.1).
func queries(server, name string, n int) error {
	c, err := net.Dial("udp", server)
	if err != nil {
		return err
	}
	defer c.Close()
	buf := make([]byte, 512)
	for i := range n {
		q := binary.BigEndian.AppendUint16(nil, uint16(i))
		q = append(q, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
		for label := range strings.SplitSeq(name, ".") {
			q = append(append(q, byte(len(label))), label...)
		}
		q = append(q, 0, 0, 1, 0, 1)
		if _, err := c.Write(q); err != nil {
			return err
		}
		c.SetReadDeadline(time.Now().Add(2 * time.Second))
		m, err := c.Read(buf)
		if err != nil {
			return err
		}
		if m < 12 || binary.BigEndian.Uint16(buf[6:]) == 0 {
			return fmt.Errorf("no address of %s", name)
		}
	}
	return nil
}
