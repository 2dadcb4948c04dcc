#!/bin/sh
# Runs inside the machine: inside.sh MODE, with MODE "own" (in a unit with Delegate=yes) or "systemd" (a scope for each container). Prints what is not as it should be.
mode=$1
if [ -n "${OUTSIDE:-}" ]; then # leave the delegated unit that the machine runs root's jobs in
	unset OUTSIDE
	exec systemd-run --quiet --wait --pipe --collect --setenv=HOME=/root sh "$0" "$mode"
fi
. /mnt/host/lib.sh

want '^(cgroupfs|systemd)$' hoy info -f '{{.CgroupDriver}}'
[ "$mode" = systemd ] && want '^systemd$' hoy info -f '{{.CgroupDriver}}'

# Without limits there is no group, and nothing is asked of anybody.
want '^plain$' hoy run --rm busybox echo plain

# Limits hold, and the container sees itself at the root of its groups.
want '^67108864$' hoy run --rm -m 64m busybox cat /sys/fs/cgroup/memory.max
want '^0::/$' hoy run --rm -m 64m busybox cat /proc/self/cgroup
want '^20$' hoy run --rm --pids-limit 20 busybox cat /sys/fs/cgroup/pids.max
want "can't fork" hoy run --rm --pids-limit 3 busybox sh -c 'sleep 1 & sleep 1 & sleep 1 & wait'

# Where the groups are.
if [ "$mode" = own ]; then
	want '^split$' hoy run --rm --cgroups=split busybox echo split
else
	want 'needs a unit of its own with Delegate=yes' hoy run --rm --cgroups=split busybox true
	want 'should be a valid slice' hoy run --rm -m 64m --cgroup-parent=/x busybox true
	hoy run -d --name s1 -m 64m --cgroup-parent=hoytest.slice busybox sleep 1000 >/dev/null
	want '/hoytest.slice/hoy-[0-9a-f]{64}.scope/container$' cat "/proc/$(hoy inspect -f '{{.State.Pid}}' s1)/cgroup"
	hoy rm -f s1 >/dev/null
fi

# The CPU is delegated to root's units, and to users' as the distribution has it: either it works or the error says what to do.
if hoy run --rm --cpus 0.5 busybox cat /sys/fs/cgroup/cpu.max >cpu 2>&1; then
	want '^50000 100000$' cat cpu
else
	want 'not delegated to user' cat cpu
	want 'hint: .*delegate.conf' cat cpu
	want '^without$' hoy run --rm --cpus 0.5 --cgroups=disabled busybox echo without
fi

# Want of memory is told from other ends, in the foreground and detached.
hoy run --name o1 -m 20m --memory-swap 20m busybox dd if=/dev/zero of=/dev/null bs=100M count=1 >/dev/null 2>&1
want '^true 137$' hoy inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' o1
hoy run -d --name o2 -m 20m --memory-swap 20m busybox sh -c 'sleep 1; dd if=/dev/zero of=/dev/null bs=100M count=1' >/dev/null
want '^137$' hoy wait o2
want '^true$' hoy inspect -f '{{.State.OOMKilled}}' o2
hoy rm o1 o2 >/dev/null

# A detached container: statistics, exec within the limits, pause, update, stop.
hoy run -d --name d1 -m 64m --pids-limit 30 busybox sleep 1000 >/dev/null
want ' / 64MiB$' hoy stats --no-stream --format '{{.MemUsage}}' d1
want '^[0-9]+ +sleep' hoy top d1 -eo pid,comm
want '^0::/$' hoy exec d1 cat /proc/self/cgroup
hoy pause d1 >/dev/null
want '^paused$' hoy inspect -f '{{.State.Status}}' d1
hoy unpause d1 >/dev/null
want '^on$' hoy exec d1 echo on
hoy update -m 80m d1 >/dev/null
want '^83886080$' hoy exec d1 cat /sys/fs/cgroup/memory.max
hoy pause d1 >/dev/null
hoy stop -t 1 d1 >/dev/null || fail "stop of a paused container"
want '^exited$' hoy inspect -f '{{.State.Status}}' d1
hoy rm d1 >/dev/null

# A container without a group: it gets one to be paused in, where the caller may make it; else the error says what to do.
hoy run -d --name n1 busybox sleep 1000 >/dev/null
if hoy pause n1 >out 2>&1; then
	want '^paused$' hoy inspect -f '{{.State.Status}}' n1
	hoy unpause n1 >/dev/null || fail "unpause"
else
	want 'hint: .*--cgroups=enabled' cat out
fi
hoy rm -f n1 >/dev/null || fail "rm -f"

if [ "$(id -u)" = 0 ]; then # the device filter
	want 'Operation not permitted' hoy run --rm busybox sh -c 'mknod /d b 254 0 && head -c 1 /d'
	want 'Operation not permitted' hoy run --rm -m 64m busybox sh -c 'mknod /d b 254 0 && head -c 1 /d'
	want '^[0-9]+$' hoy run --rm --device-cgroup-rule 'b 254:0 r' busybox sh -c 'mknod /d b 254 0 && head -c 512 /d | wc -c'
fi

# T-A11 (CVE-2023-25809): with the host's cgroup namespace nothing below /sys/fs/cgroup can be changed; with its own a container cannot either.
cat >a11.sh <<'S'
find /sys/fs/cgroup -type d 2>/dev/null | while read d; do mkdir "$d/hoy-escape" 2>/dev/null && echo made "$d"; done
find /sys/fs/cgroup -type f \( -name '*procs' -o -name cgroup.kill -o -name cgroup.freeze -o -name '*.max' \) 2>/dev/null | while read f; do (echo 0 >"$f") 2>/dev/null && echo wrote "$f"; done
echo done
S
for ns in host private; do
	want '^done$' hoy run --rm --cgroupns=$ns -v "$PWD/a11.sh:/a11.sh:ro" busybox sh /a11.sh
	want '^1$' sh -c "hoy run --rm -m 64m --cgroupns=$ns -v '$PWD/a11.sh:/a11.sh:ro' busybox sh /a11.sh | wc -l"
done
# T-D1: no release agent, which version 2 does not have, and no version 1 to mount.
want 'denied|not permitted' hoy run --rm busybox sh -c 'mkdir /c && mount -t cgroup -o memory none /c'

# The OCI runtime command line: limits on version 2, by a path below our own group or by systemd.
mkdir -p bundle/rootfs/bin && cp base/busybox bundle/rootfs/bin/ && ln -s busybox bundle/rootfs/bin/sleep && ln -s busybox bundle/rootfs/bin/cat
cd bundle || exit 1
if [ "$(id -u)" = 0 ]; then hoy oci spec; else hoy oci spec --rootless; fi
sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep", "1000"/; s/"linux": {/"linux": { "cgroupsPath": "CGROUP", "resources": { "memory": {"limit": 67108864} },/; /^\t\t"resources": {/,/^\t\t},/d' config.json
if [ "$mode" = systemd ]; then
	oci="hoy oci --root $dir/oci --systemd-cgroup"
	sed -i 's|CGROUP|hoytest.slice:hoytest:o1|' config.json
	[ "$(id -u)" = 0 ] || sed -i 's|hoytest.slice|user.slice|' config.json
else
	oci="hoy oci --root $dir/oci"
	sed -i 's|CGROUP|/hoytest/oci|' config.json
fi
$oci create o1 </dev/null >out 2>&1 || fail "oci create: $(cat out)"
want '"status": "created"' $oci state o1
$oci start o1 || fail "oci start"
want '"status": "running"' $oci state o1
pid=$($oci state o1 | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
want '^67108864$' cat "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")/memory.max"
[ "$mode" = systemd ] && want 'hoytest-o1.scope' cat "/proc/$pid/cgroup"
want '^67108864$' sh -c "$oci update --memory 67108864 o1 && cat /sys/fs/cgroup\$(sed -n 's/^0:://p' /proc/$pid/cgroup)/memory.max"
$oci pause o1 || fail "oci pause"
want '"status": "paused"' $oci state o1
$oci resume o1 || fail "oci resume"
$oci kill o1 KILL || fail "oci kill"
sleep 1
want '"status": "stopped"' $oci state o1
$oci delete o1 || fail "oci delete"
[ "$mode" = systemd ] || rmdir /sys/fs/cgroup/hoytest || fail "oci delete left its group"
cd ..

# Nothing is left: no group, no unit.
sleep 1
left=$(find /sys/fs/cgroup -path '*hoy-[0-9a-f]*' -type d ! -name 'hoy-devices-*'; ls "$HOY_ROOT/containers")
[ "$left" = names ] || fail "left behind: $left"
units=$(systemctl $([ "$(id -u)" = 0 ] || echo --user) list-units --all --no-legend 'hoy-*' 2>/dev/null)
[ -z "$units" ] || fail "units left behind: $units"
finish "$(id -un), $(hoy info -f '{{.CgroupDriver}}'), $(cat /proc/self/cgroup)"
