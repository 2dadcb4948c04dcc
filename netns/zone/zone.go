// Package zone puts bridges into a zone of firewalld, which rejects what is forwarded from links that are in none: no table of the packet filter
// can let through what another one rejects.
package zone

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"

	"codeberg.org/hoy/hoy/netns/nft"
)

// name is the zone in which all is accepted. What may come into a container is hoy's own table's to say.
const name = "trusted"

const bus = "/run/dbus/system_bus_socket"

// patience is how long firewalld may take.
const patience = 3 * time.Second

// Add puts the host's bridges into the zone, and Remove takes them out. That lasts until firewalld is restarted, over its reloads too. A link that somebody
// has put into another zone stays there. Where firewalld does not run there is nothing to do, and where it refuses (firewalld.lockdown-whitelist(5)) its
// zones are the administrator's alone.
// Source: firewalld.dbus(5), org.fedoraproject.FirewallD1.zone.
func Add(bridges []string) { tell("addInterface", bridges) }

// Remove undoes Add.
func Remove(bridges []string) { tell("removeInterface", bridges) }

func tell(method string, bridges []string) {
	if len(bridges) == 0 || !runs() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := dbus.Dial("unix:path="+bus, dbus.WithContext(ctx))
	if err != nil {
		return
	}
	defer conn.Close()
	if conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))}) != nil || conn.Hello() != nil {
		return
	}
	firewall := conn.Object("org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1")
	for _, b := range bridges {
		firewall.CallWithContext(ctx, "org.fedoraproject.FirewallD1.zone."+method, dbus.FlagNoAutoStart, name, b)
	}
}

// runs says whether firewalld has its rules in this namespace.
func runs() bool {
	if _, err := os.Stat(bus); err != nil {
		return false
	}
	there, err := nft.Table{Name: "firewalld"}.Present()
	return err == nil && there
}
