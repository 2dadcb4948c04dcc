#!/bin/sh
# Runs inside the machine, as root: firewalld, Docker, Podman and hoy on one host, with another machine on a cable. Nobody tells firewalld of hoy's
# bridges, and nobody's rules change another's. Prints what is not as it should be.
if [ -n "${OUTSIDE:-}" ]; then # leave the delegated unit that the machine runs root's jobs in
	unset OUTSIDE
	exec systemd-run --quiet --wait --pipe --collect --setenv=HOME=/root sh "$0"
fi
. /mnt/host/lib.sh
serve='exec nc -ll -p 80 -e echo'
there() { ip netns exec there busybox nc -w 3 198.51.100.1 "$1" </dev/null; }
ip netns add there
ip link add wan type veth peer name wan netns there
ip addr add 198.51.100.1/24 dev wan && ip link set wan up
ip -n there addr add 198.51.100.2/24 dev wan && ip -n there link set wan up && ip -n there link set lo up
ip netns exec there busybox nc -ll -p 7000 -e echo outside &
outside=$!
busybox nc -ll -p 7001 -e echo host &
host=$!
systemctl unmask firewalld docker docker.socket containerd >/dev/null 2>&1
systemctl start firewalld || fail "no firewalld: $(journalctl -u firewalld -n 5)"

works() { # WHEN: hoy's traffic, each direction
	want '^inside$' there 8080
	want '^inside$' busybox nc -w 3 127.0.0.1 8080
	want '^outside$' hoy run --rm busybox nc -w 3 198.51.100.2 7000
	want '^outside$' hoy run --rm --network one busybox nc -w 3 198.51.100.2 7000
	want '^host$' hoy run --rm busybox nc -w 3 host.docker.internal 7001
	want '^inside$' hoy run --rm --network one busybox nc -w 3 web 80
	[ "$failed" = 0 ] || { echo "… $1"; finish peers; }
}
hoy network create one >/dev/null
hoy run -d --init --name web --network one --network bridge -p 8080:80 busybox sh -c "$serve inside" >/dev/null || fail "no web"
works 'beside firewalld'
want 'hoy0' firewall-cmd --zone=trusted --list-interfaces
firewall-cmd -q --reload || fail reload
works 'after a reload'
systemctl restart firewalld
hoy run --rm busybox true && hoy run --rm --network one busybox true # tell it again
works 'after a restart'

# Docker, which speaks to firewalld too, and Podman.
systemctl start docker || fail "no docker: $(journalctl -u docker -n 5)"
tar -C base -c busybox | docker import - box >/dev/null && tar -C base -c busybox | podman import -q - box >/dev/null 2>&1 || fail "no images"
docker run -d --name web -p 8081:80 box /busybox nc -ll -p 80 -e /busybox echo docker >/dev/null || fail "no container of docker's"
podman run -d --name web --cgroups=disabled -p 8082:80 box /busybox nc -ll -p 80 -e /busybox echo podman >/dev/null || fail "no container of podman's"
# Docker drops what others forward (docs/networking.md).
for link in hoy+ br-+ podman+; do for d in i o; do iptables -I DOCKER-USER -$d $link -j ACCEPT; done; done
works 'beside Docker and Podman'
want '^docker$' there 8081
want '^podman$' there 8082
firewall-cmd -q --reload || fail reload
for link in hoy+ br-+ podman+; do for d in i o; do iptables -C DOCKER-USER -$d $link -j ACCEPT 2>/dev/null || iptables -I DOCKER-USER -$d $link -j ACCEPT; done; done
works 'after a reload beside Docker and Podman'
eventually '^docker$' there 8081

# Theirs stay as they were when hoy's goes, and it goes.
nft -s list ruleset >with 2>/dev/null
hoy rm -f web >/dev/null || fail "rm -f"
eventually '^0$' sh -c 'nft list tables 2>/dev/null | grep -c hoy'
eventually '^$' sh -c 'firewall-cmd --zone=trusted --list-interfaces | tr " " "\n" | grep -e hoy -e br-'
eventually '^same$' sh -c 'nft -s list ruleset 2>/dev/null >without; for f in with without; do awk "/^table/ { mine = \$3 ~ /^hoy/ } !mine && !/hoy0|br-[0-9a-f]/" $f | tr -d " \t" | sort >$f.sorted; done; cmp -s with.sorted without.sorted && echo same'
want '^docker$' there 8081
want '^podman$' there 8082
hoy network rm one >/dev/null
docker rm -f web >/dev/null; podman rm -t 0 -f web >/dev/null
kill $outside $host
finish 'firewalld, Docker and Podman beside hoy'
