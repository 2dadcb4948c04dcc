package nft

import (
	"fmt"
	"os"

	"github.com/google/nftables"
)

// Dropping gives the tables of a namespace that drop what is forwarded unless one of their own rules accepts it, as "ip filter": no table can
// overrule another's drop. iptables' rules are among them where iptables writes to nftables.
func Dropping(ns *os.File) ([]string, error) {
	c, err := Table{NS: ns}.open()
	if err != nil {
		return nil, err
	}
	defer c.CloseLasting()
	chains, err := c.ListChains()
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	var out []string
	for _, chain := range chains {
		forward := chain.Hooknum != nil && *chain.Hooknum == *nftables.ChainHookForward && chain.Type == nftables.ChainTypeFilter
		if forward && chain.Policy != nil && *chain.Policy == nftables.ChainPolicyDrop {
			out = append(out, families[chain.Table.Family]+" "+chain.Table.Name)
		}
	}
	return out, nil
}

var families = map[nftables.TableFamily]string{
	nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6", nftables.TableFamilyBridge: "bridge", nftables.TableFamilyNetdev: "netdev",
}
