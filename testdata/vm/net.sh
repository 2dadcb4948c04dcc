#!/bin/sh
# Runs inside the machine: net.sh, as root or as an ordinary user. Networks on a host with systemd, its own nftables rules and a real link to
# the outside. Prints what is not as it should be.
[ "$(id -u)" = 0 ] && rules=$(PATH=/usr/sbin:$PATH nft list ruleset 2>/dev/null)
. /mnt/host/lib.sh
serve='mkdir -p /www; echo "served by $(hostname)" >/www/index.html; exec httpd -f -p 80 -h /www'

# The default network: an address, a name service, the host, a published port.
want '127.0.0.11' hoy run --rm busybox cat /etc/resolv.conf
want 'default' hoy run --rm busybox ip route
hoy run -d --init --name web --hostname web -p 127.0.0.1:18080:80 busybox sh -c "$serve" >/dev/null || fail "no web"
eventually 'served by web' busybox wget -q -T 5 -O - http://127.0.0.1:18080/
want '^127.0.0.1:18080$' hoy port web 80
want 'port is already in use' hoy run --rm -p 127.0.0.1:18080:80 busybox true
busybox httpd -f -p 18081 -h "$dir/base" &
server=$!
eventually 'FROM scratch' hoy run --rm busybox wget -q -T 5 -O - http://host.docker.internal:18081/Dockerfile
kill $server

# A network of one's own: containers find each other by name and alias, other networks do not.
hoy network create one >/dev/null && hoy network create --internal two >/dev/null || fail "no networks"
hoy run -d --init --name app --network one --network-alias service --hostname app busybox sh -c "$serve" >/dev/null || fail "no app"
eventually 'served by app' hoy run --rm --network one busybox wget -q -T 5 -O - http://app/
want 'served by app' hoy run --rm --network one busybox wget -q -T 5 -O - http://service/
want 'bad address' hoy run --rm --network two busybox wget -q -T 2 -O - http://app/
hoy network connect two app || fail "connect"
want 'served by app' hoy run --rm --network two busybox wget -q -T 5 -O - http://app/
want 'served by app' hoy run --rm --network container:app busybox wget -q -T 5 -O - http://127.0.0.1/
hoy network disconnect two app || fail "disconnect"
want 'bad address' hoy run --rm --network two busybox wget -q -T 2 -O - http://app/

# Root may share a link of the host's: macvlan, and ipvlan, which the kernels of some test machines have not.
if [ "$(id -u)" = 0 ]; then
	busybox ip link add parent0 type dummy && busybox ip link set parent0 up || fail "no dummy link"
	n=0
	for driver in macvlan ipvlan; do
		n=$((n + 1))
		hoy network create -d $driver -o parent=parent0 --subnet 10.99.$n.0/24 $driver >/dev/null || fail "no $driver network"
		hoy run -d --init --name shared --hostname shared --network $driver busybox sh -c "$serve" >/dev/null || fail "no container on $driver"
		eventually 'served by shared' hoy run --rm --network $driver busybox wget -q -T 5 -O - http://shared/
		hoy rm -f shared >/dev/null && hoy network rm $driver >/dev/null || fail "rm of $driver"
	done
	busybox ip link del parent0
fi

# sctp: as root a published port is translated, and the service sees who calls; a user's is refused in one line.
if [ "$(id -u)" = 0 ]; then
	modprobe sctp || fail "no sctp"
	ip netns add there && ip link add wan type veth peer name wan netns there
	ip addr add 198.51.100.1/24 dev wan && ip link set wan up
	ip -n there addr add 198.51.100.2/24 dev wan && ip -n there link set wan up
	cat >"$dir/sctp.py" <<-'P'
		import socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
		if len(sys.argv) > 1:
		    s.settimeout(5)
		    s.connect((sys.argv[1], 42130))
		    print(s.recv(99).decode())
		else:
		    s.bind(("", 99))
		    s.listen()
		    while True:
		        c, a = s.accept()
		        c.sendall(("sctp from " + a[0]).encode())
		        c.close()
	P
	hoy run -d --init --name sctp -p 42130:99/sctp -v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro -v "$dir/sctp.py:/sctp.py:ro" busybox /usr/bin/python3 /sctp.py >/dev/null || fail "no sctp service"
	want '^42130$' hoy inspect -f '{{(index (index .NetworkSettings.Ports "99/sctp") 0).HostPort}}' sctp
	eventually '^sctp from 198.51.100.2$' ip netns exec there python3 "$dir/sctp.py" 198.51.100.1
	want '^sctp from ' python3 "$dir/sctp.py" 198.51.100.1
	want 'bind for port 42130/sctp: port is already in use' hoy run --rm -p 42130:99/sctp busybox true
	hoy rm -f sctp >/dev/null
	ip link del wan && ip netns del there
else
	want '^hoy: .*sctp.*root' hoy run --rm -p 42130:99/sctp busybox true
	want '^1$' sh -c 'hoy run --rm -p 42130:99/sctp busybox true 2>&1 | grep -vc "^hint:"'
fi

# Nothing is left.
hoy rm -f web app >/dev/null || fail "rm -f"
hoy network rm one two >/dev/null || fail "network rm"
if [ "$(id -u)" = 0 ]; then
	eventually '^$' sh -c 'ip -o link | grep -E "hoy|veth|br-"'
	eventually '^same$' sh -c "[ \"\$(nft list ruleset)\" = '$rules' ] && echo same"
fi
eventually '^0$' sh -c 'ps -e -o args | grep -c "^hoy-"'
finish "$(id -un)'s networks"
