#!/bin/bash
# make test-vm: what the machine that tests run on may not have, in a virtual one: control groups version 2, systemd, a user's session.
# It needs QEMU (vm.sh says which packages); the first run makes the machine, which takes some minutes and 800 MB below VM_DIR.
set -euo pipefail
cd "$(dirname "$0")"
vm=$PWD/vm.sh
: "${VM_DIR:=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hoy-vm}"
export VM_DIR
for program in ${VM_QEMU:-qemu-system-x86_64} qemu-img; do
	command -v "$program" >/dev/null || { echo "test-vm: needs $program: apt-get install --no-install-recommends $("$vm" deps)" >&2; exit 1; }
done
"$vm" built || "$vm" build

share=$(mktemp -d /var/tmp/hoy-vm-XXXXXX)
trap 'rm -rf "$share"' EXIT
chmod 755 "$share"
cp ../../hoy lib.sh inside.sh units.sh net.sh peers.sh less.sh apparmor.sh "$share"

# check NAME SCRIPT [RUN OPTION]… runs a script in a fresh copy of the machine. Its output comes in one piece. What fails is run once more.
check() {
	local name=$1 script=$2 start=$SECONDS out
	shift 2
	for _ in 1 2; do
		if out=$("$vm" run --share "$share" --timeout 400 "$@" -- "sh /mnt/host/$script" 2>&1); then
			printf 'ok   %s (%d s)\n' "$name" $((SECONDS - start))
			return
		fi
		printf 'FAIL %s\n%s\n' "$name" "$out"
	done
	return 1
}

# Two at a time: a machine has one core's work to do.
failed=0
pair() {
	local a b
	eval "check $1" & a=$!
	eval "check $2" & b=$!
	wait $a || failed=1
	wait $b || failed=1
}
pair '"root, a unit with Delegate=yes" "inside.sh own" --user root' '"user, a login session" "inside.sh systemd"'
pair '"root, a scope of the system manager" "inside.sh systemd" --user root --env OUTSIDE=1' '"user, a unit of the user manager" "inside.sh systemd" --manager'
pair '"root, units that wrap a container" units.sh --user root --env OUTSIDE=1' '"user, units that wrap a container" units.sh'
pair '"root, networks" net.sh --user root' '"user, networks" net.sh'
pair '"root, AppArmor" apparmor.sh --user root' '"user, AppArmor" apparmor.sh'
pair '"root, firewalld, Docker and Podman" peers.sh --user root --env OUTSIDE=1' '"root, no IPv6 and no nftables" less.sh --user root --cmdline ipv6.disable=1'
exit $failed
