#!/bin/sh
# Runs inside the machine: a loaded AppArmor profile confines what runs by its name, and what joins it, as root and as the machine's user.
. /mnt/host/lib.sh
if [ "$(id -u)" = 0 ]; then
	cat >profiles <<-'P'
		profile hoy-test flags=(attach_disconnected,mediate_deleted) {
		  file, capability, network, signal, unix, ptrace, mount, umount, pivot_root,
		  deny /proc/uptime r,
		}
		profile docker-default flags=(attach_disconnected,mediate_deleted) {
		  file, capability, network, signal, unix, ptrace,
		  deny /proc/version r,
		}
	P
	want '^unconfined$' hoy run --rm busybox cat /proc/self/attr/current
	apparmor_parser -r profiles || fail "apparmor_parser"
	# Docker's own is the default where it is loaded.
	want '^docker-default \(enforce\)$' hoy run --rm busybox cat /proc/self/attr/current
	want 'Permission denied' hoy run --rm busybox cat /proc/version
	want '^unconfined$' hoy run --rm --privileged busybox cat /proc/self/attr/current
	want '^unconfined$' hoy run --rm --security-opt apparmor=unconfined busybox cat /proc/self/attr/current
	printf 'FROM busybox\nRUN cat /proc/self/attr/current >/label\n' >Dockerfile
	hoy build -q -t labelled . >/dev/null || fail "build"
	want '^docker-default \(enforce\)$' hoy run --rm labelled cat /label
else
	grep -q . /proc/self/attr/current || fail "no AppArmor"
fi
if [ "$(id -u)" = 0 ]; then
	want '^hoy-test \(enforce\)$' hoy run --rm --security-opt apparmor=hoy-test busybox cat /proc/self/attr/current
	want 'uptime.?: Permission denied' hoy run --rm --security-opt apparmor=hoy-test busybox cat /proc/uptime
	want 'uptime.?: Permission denied' hoy run --rm --security-opt apparmor=hoy-test --security-opt no-new-privileges -u 1000 busybox cat /proc/uptime
	want 'uptime.?: Permission denied' hoy run --rm --security-opt apparmor=hoy-test --privileged busybox cat /proc/uptime
	want 'uptime.?: Permission denied' hoy run --rm --init --security-opt apparmor=hoy-test busybox cat /proc/uptime
	hoy run -d --name a1 --security-opt apparmor=hoy-test busybox sleep 1000 >/dev/null
	want '^hoy-test \(enforce\)$' hoy exec a1 cat /proc/self/attr/current
	want 'uptime.?: Permission denied' hoy exec a1 cat /proc/uptime
	want 'uptime.?: Permission denied' hoy exec -u 1000 a1 cat /proc/uptime
	hoy stop -t 1 a1 >/dev/null || fail "stop of a confined container"
	hoy rm -f a1 >/dev/null
	# The OCI runtime.
	mkdir -p bundle/rootfs/bin && cp base/busybox bundle/rootfs/bin/ && ln -s busybox bundle/rootfs/bin/sleep && ln -s busybox bundle/rootfs/bin/cat
	(cd bundle && hoy oci spec && sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep", "1000"/; s/"cwd"/"apparmorProfile": "hoy-test", "cwd"/' config.json)
	hoy oci --root "$dir/oci" run -d -b bundle o1 </dev/null >out 2>&1 || fail "oci run: $(cat out)"
	want 'uptime.?: Permission denied' hoy oci --root "$dir/oci" exec o1 cat /proc/uptime
	want '^docker-default \(enforce\)$' hoy oci --root "$dir/oci" exec --apparmor docker-default o1 cat /proc/self/attr/current
	hoy oci --root "$dir/oci" delete -f o1 || fail "oci delete"
fi
# One that nobody has loaded: a refusal that names it, and nothing is left.
want 'hoy: label: no-such-profile: .*no such file' hoy run --name a2 --security-opt apparmor=no-such-profile busybox true
hoy run --security-opt apparmor=no-such-profile busybox true 2>/dev/null
[ $? = 125 ] || fail "exit code of a profile that is not loaded"
hoy rm -f a2 >/dev/null 2>&1
finish "$(id -un), AppArmor"
