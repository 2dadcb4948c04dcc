package monitor

import "sync"

// gate is between two runs of a container: open while it waits to be started again, and kept so by the clients that look into its files meanwhile.
type gate struct {
	mu     sync.Mutex
	isOpen bool
	holds  int
}

func (g *gate) open() {
	g.mu.Lock()
	g.isOpen = true
	g.mu.Unlock()
}

// shut closes the gate, unless somebody holds it.
func (g *gate) shut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holds > 0 {
		return false
	}
	g.isOpen = false
	return true
}

// hold keeps the container from being started; false when it does not wait for that.
func (k *keeper) hold() bool {
	k.gate.mu.Lock()
	defer k.gate.mu.Unlock()
	if k.gate.isOpen {
		k.gate.holds++
	}
	return k.gate.isOpen
}

func (k *keeper) unhold() {
	k.gate.mu.Lock()
	k.gate.holds--
	k.gate.mu.Unlock()
	k.nudge()
}
