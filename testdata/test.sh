#!/bin/bash
# Runs every test. As root they run twice: as root, and as the ordinary user HOY_TEST_USER (default: hoytest, where there is one).
# HOY_TEST_ALL=1 makes a test that lacks something fail instead of being skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

tmp=$(mktemp -d /var/tmp/hoy-test-XXXXXX)
chmod 755 "$tmp"
# A container's files may belong to subordinate ids: as an ordinary user only a user namespace can remove those.
trap 'rm -rf "$tmp" 2>/dev/null || unshare -r --map-auto rm -rf "$tmp"' EXIT

# A Debian root for the scripts that need a real distribution, with this machine's own package sources.
debian() {
	command -v mmdebstrap >/dev/null || return 1
	. /etc/os-release
	mkdir "$tmp/debian"
	apt-config dump | grep -E '^Acquire::(Check-|https?::)' >"$tmp/debian/99host" || true
	mmdebstrap --quiet --variant=minbase "$VERSION_CODENAME" "$tmp/debian/debian.tar" /etc/apt/sources.list.d/debian.sources >"$tmp/mmdebstrap.log" 2>&1
}
if debian; then
	export HOY_TEST_DEBIAN=$tmp/debian
	chmod -R a+rX "$HOY_TEST_DEBIAN"
elif [ -n "${HOY_TEST_ALL-}" ]; then
	cat "$tmp/mmdebstrap.log"
	exit 1
fi

# tests runs every test, with more arguments of go test. What fails is run once more, alone, and named: a test that waits for real programs may be too
# late on a busy machine. What fails twice has failed.
tests() {
	local log=$tmp/log package scripts select again=0
	go test -count=1 -timeout 15m "$@" ./... 2>&1 | tee "$log" && return
	scripts=$(sed -n 's,^ *--- FAIL: TestScripts/\([^ ]*\) .*,\1,p' "$log" | paste -sd '|')
	for package in $(awk -F '\t' '/^FAIL\t/ { print $2 }' "$log" | cut -d ' ' -f 1); do
		select=.
		[ "$package" != "$(go list .)" ] || [ -z "$scripts" ] || select="^TestScripts\$/^($scripts)\$"
		echo "--- once more: $package $select"
		go test -count=1 -timeout 15m -run "$select" "$@" "$package" || again=1
	done
	return $again
}

if [ "$(id -u)" != 0 ]; then
	tests
	exit
fi

failed=0
echo "--- as root"
TMPDIR=$tmp tests || failed=1

user=${HOY_TEST_USER:-hoytest}
if ! id "$user" >/dev/null 2>&1; then
	echo "not run as an ordinary user: there is no user $user (HOY_TEST_USER names another)"
	exit $failed
fi

echo "--- as $user"
# The tests are compiled here, with root's caches, and run by the user in a copy that it owns.
mkdir "$tmp/user" "$tmp/user/home" "$tmp/user/run" "$tmp/user/tmp"
cp -r . "$tmp/user/src"
rm -rf "$tmp/user/src/.git"
cat >"$tmp/as-user" <<EOF
#!/bin/sh
bin=$tmp/user/\$(basename "\$1").\$\$
cp "\$1" "\$bin" && chmod 755 "\$bin"
shift
setpriv --reuid $user --regid $user --init-groups --reset-env env HOME=$tmp/user/home XDG_RUNTIME_DIR=$tmp/user/run TMPDIR=$tmp/user/tmp \
	HOY_TEST_NO_GO=1 HOY_TEST_ALL=${HOY_TEST_ALL-} HOY_TEST_DEBIAN=${HOY_TEST_DEBIAN-} PATH="\$PATH" "\$bin" "\$@"
code=\$?
rm -f "\$bin"
exit \$code
EOF
chmod 755 "$tmp/as-user"
chown -R "$user": "$tmp/user"
chmod 700 "$tmp/user/run"
cd "$tmp/user/src"
tests -exec "$tmp/as-user" || failed=1
exit $failed
