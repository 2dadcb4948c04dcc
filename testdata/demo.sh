#!/bin/bash
# make demo: builds hoy, makes a base image from busybox without a registry, builds examples/hello on it and runs it. Images and containers are kept
# in a temporary directory, which is removed.
set -euo pipefail
cd "$(dirname "$0")/.."

bold= plain=
if [ -t 1 ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# timed COMMAND… prints the command, runs it and prints how long it took.
timed() {
	local start=${EPOCHREALTIME/[.,]/} end
	printf '$ %s\n' "$*"
	"$@"
	end=${EPOCHREALTIME/[.,]/}
	printf '  (%d.%03d s)\n' $(((end - start) / 1000000)) $(((end - start) / 1000 % 1000))
}

# need PACKAGE FILE: the file's Debian package is installed by root; anyone else is told.
missing=()
need() { [ -e "$2" ] || missing+=("$1"); }
need busybox-static /bin/busybox
need uidmap /usr/bin/newuidmap
if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" = 0 ]; then
		say "Installing ${missing[*]}"
		apt-get -qq update
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
	else
		echo "missing: ${missing[*]}. Install it as root: apt-get install ${missing[*]}" >&2
		[ -e /bin/busybox ] || exit 1
	fi
fi
if [ "$(id -u)" != 0 ] && ! grep -q "^$(id -un):" /etc/subuid 2>/dev/null; then
	echo "no subordinate ids for $(id -un): as root, usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)" >&2
fi

say "Building hoy"
timed make --no-print-directory hoy

dir=$(mktemp -d /var/tmp/hoy-demo-XXXXXX)
export HOY_ROOT=$dir/root HOY_RUN=$dir/run
# What takes the last container off its network in the background may still be at it.
trap 'chmod -R u+rwX "$dir"; rm -rf "$dir" 2>/dev/null || { sleep 1; rm -rf "$dir"; }' EXIT

say "Making the image busybox from /bin/busybox, without a registry"
mkdir -p "$dir/base/rootfs/bin" "$dir/base/rootfs/etc"
cp /bin/busybox "$dir/base/rootfs/bin/"
for applet in $(/bin/busybox --list | grep -vx busybox); do ln -s busybox "$dir/base/rootfs/bin/$applet"; done
echo 'root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false' >"$dir/base/rootfs/etc/passwd"
echo 'root:x:0:
nogroup:x:65534:' >"$dir/base/rootfs/etc/group"
printf 'FROM scratch\nCOPY rootfs /\nCMD ["sh"]\n' >"$dir/base/Dockerfile"
timed ./hoy build -q -t busybox "$dir/base"

say "Building examples/hello"
timed ./hoy build -t hello examples/hello

say "Building it again: every step is in the cache"
timed ./hoy build -q -t hello examples/hello

say "Running it"
timed ./hoy run --rm --network none hello
timed ./hoy run --rm --network none -e NAME="$(id -un)" hello

say "What is there now"
timed ./hoy images
timed ./hoy ps -a
