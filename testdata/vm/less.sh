#!/bin/sh
# Runs inside the machine, as root, with a kernel that has no IPv6 and, in the end, no nftables: what hoy does without, and how it says so.
. /mnt/host/lib.sh
serve='exec nc -ll -p 80 -e echo served'
[ ! -e /proc/net/if_inet6 ] || fail "there is IPv6"
hoy run -d --init --name web -p 18080:80 busybox sh -c "$serve" >/dev/null || fail "no container without IPv6"
eventually '^served$' busybox nc -w 3 127.0.0.1 18080
want 'bind for \[::1\]:80/tcp: the host has no IPv6' hoy run --rm -p '[::1]:80:80' busybox true
hoy network create --ipv6 six >/dev/null
want '^hoy: add address .*: the host has no IPv6: it can have networks without it only$' hoy run --rm --network six busybox true
hoy network rm six >/dev/null || fail "network rm"
hoy rm -f web >/dev/null
eventually '^$' sh -c 'ip -o link | grep -E "hoy|hv|br-"'

# Without nftables the default network is the user-mode stack, and others cannot be had.
find /usr/lib/modules -name 'nf_tables.ko*' -delete && depmod
while lsmod | grep -q '^nf_tables '; do
	rmmod $(lsmod | awk '/^(nf_tables|nft_|nf_nat_masq)/ && $3 == 0 {print $1}') || { fail "nf_tables stays: $(lsmod)"; break; }
done
want '^    inet 10\.' hoy run --rm busybox ip -4 addr show eth0
hoy run -d --init --name web -p 18080:80 busybox sh -c "$serve" >/dev/null || fail "no container without nftables"
eventually '^served$' busybox nc -w 3 127.0.0.1 18080
hoy network create one >/dev/null
want '^hoy: .*the kernel has no nftables with NAT$' hoy run --rm --network one busybox true
hoy rm -f web >/dev/null; hoy network rm one >/dev/null || fail "rm"
eventually '^$' sh -c 'ip -o link | grep -E "hoy|hv|br-"'
eventually '^0$' sh -c 'ps -e -o args | grep -c "^hoy-"'
finish 'root on a host without IPv6 and nftables'
