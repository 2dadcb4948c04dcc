# What the scripts inside the machine share: a directory with hoy and a store of their own, the image busybox, and the checks.
dir=$(mktemp -d /var/tmp/hoy-inside-XXXXXX)
mkdir "$dir/base" && cp /bin/busybox "$dir/base/busybox" && cp /mnt/host/hoy "$dir/hoy"
export HOY_ROOT="$dir/root" PATH="$dir:/usr/sbin:/sbin:$PATH"
cd "$dir" || exit 1
failed=0
fail() { echo "not as it should be: $*"; failed=1; }
want() { # PATTERN COMMAND…: what the command prints, on both streams, matches
	pattern=$1
	shift
	out=$("$@" 2>&1)
	echo "$out" | grep -Eq -- "$pattern" || fail "$* printed: $out (want $pattern)"
}
eventually() { # the same, within some seconds
	end=$(($(date +%s) + 40))
	while :; do
		out=$(shift; "$@" 2>&1)
		echo "$out" | grep -Eq -- "$1" && return
		[ "$(date +%s)" -lt $end ] || break
		sleep 0.2
	done
	fail "$* printed in the end: $out"
}
printf 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nCMD ["sh"]\n' >base/Dockerfile
hoy build -q -t busybox base >/dev/null || fail "no image"

# finish NAME ends the script: its directory goes, and what failed is its status.
finish() {
	[ "$failed" = 0 ] && echo "as it should be: $1"
	rm -rf "$dir" 2>/dev/null || unshare -r --map-auto rm -rf "$dir"
	exit $failed
}
