#!/bin/sh
# Runs inside the machine: units.sh, as root (the system's manager) or as an ordinary user in a login session (the user's). Units that wrap one
# container each start, are ready, log, stop, fail and are activated by a socket as any service. Prints what is not as it should be.
if [ -n "${OUTSIDE:-}" ]; then # leave the delegated unit that the machine runs root's jobs in
	unset OUTSIDE
	exec systemd-run --quiet --wait --pipe --collect --setenv=HOME=/root sh "$0"
fi
. /mnt/host/lib.sh
if [ "$(id -u)" = 0 ]; then
	units=/run/systemd/system
	ctl() { systemctl "$@"; }
	journal() { journalctl --no-pager -o cat -u "$@"; }
else
	units=$HOME/.config/systemd/user
	ctl() { systemctl --user "$@"; }
	journal() { journalctl --user --no-pager -o cat --user-unit "$@"; }
fi
mkdir -p "$units"
unit() { # NAME: standard input is its file
	cat >"$units/$1"
	ctl daemon-reload
}

# In the foreground: the unit is ready when the container runs, its output is the unit's, stopping it stops the container.
unit hoyfront.service <<UNIT
[Service]
Type=notify
NotifyAccess=all
Environment=HOY_ROOT=$HOY_ROOT
ExecStart=$dir/hoy run --rm --name front --network none busybox sh -c 'trap "echo bye; exit 0" TERM; echo hello; while :; do sleep 0.1; done'
UNIT
ctl start hoyfront || fail "hoyfront does not start: $(journal hoyfront)"
want '^active$' ctl is-active hoyfront
want '^running$' hoy inspect -f '{{.State.Status}}' front
eventually '^hello$' journal hoyfront
ctl stop hoyfront
want '^success$' ctl show -P Result hoyfront
eventually '^bye$' journal hoyfront
want 'no such object' hoy inspect front

# Its exit code is the container's.
unit hoyfails.service <<UNIT
[Service]
Type=oneshot
Environment=HOY_ROOT=$HOY_ROOT
ExecStart=$dir/hoy run --rm --network none busybox sh -c 'exit 3'
UNIT
ctl start hoyfails 2>/dev/null && fail "hoyfails started"
want '^3$' ctl show -P ExecMainStatus hoyfails

# Killed, it leaves nothing behind, and the manager starts it again under the same name.
unit hoyagain.service <<UNIT
[Service]
Type=notify
NotifyAccess=all
Environment=HOY_ROOT=$HOY_ROOT
Restart=always
RestartSec=200ms
ExecStart=$dir/hoy run --rm --replace --name again --init --network none busybox sleep 1000
UNIT
ctl start hoyagain || fail "hoyagain does not start: $(journal hoyagain)"
first=$(hoy inspect -f '{{.Id}}' again)
kill -9 "$(ctl show -P MainPID hoyagain)"
eventually '^[1-9]' ctl show -P NRestarts hoyagain
eventually '^active$' ctl is-active hoyagain
[ "$(hoy inspect -f '{{.Id}}' again)" != "$first" ] || fail "the container of a killed unit is still there"
ctl stop hoyagain
want '^NAMES$' hoy ps -a --format 'table {{.Names}}'

# In the background: the main process is the container's monitor, or what --sdnotify says.
unit hoyback.service <<UNIT
[Service]
Type=notify
NotifyAccess=all
Environment=HOY_ROOT=$HOY_ROOT
ExecStart=$dir/hoy run -d --rm --replace --name back --init --network none busybox sleep 1000
ExecStop=$dir/hoy stop -t 1 back
UNIT
ctl start hoyback || fail "hoyback does not start: $(journal hoyback)"
want '^active$' ctl is-active hoyback
want 'hoy-monitor' cat "/proc/$(ctl show -P MainPID hoyback)/cmdline"
ctl stop hoyback
eventually '^inactive$|^failed$' ctl is-active hoyback
want 'no such object' hoy inspect back

# The service itself says when it is ready.
unit hoyready.service <<UNIT
[Service]
Type=notify
NotifyAccess=all
Environment=HOY_ROOT=$HOY_ROOT
ExecStart=$dir/hoy run --rm --sdnotify container --name ready --init --network none -v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro busybox sh -c 'sleep 2; SYSTEMD_IGNORE_CHROOT=1 /usr/bin/systemd-notify --ready --status=served; sleep 1000'
UNIT
ctl start --no-block hoyready
eventually '^running$' hoy inspect -f '{{.State.Status}}' ready
want '^activating$' ctl is-active hoyready
eventually '^active$' ctl is-active hoyready
want '^served$' ctl show -P StatusText hoyready
ctl stop hoyready

# A socket of the manager's is the container's, which has no network at all.
unit hoysocket.socket <<UNIT
[Socket]
ListenStream=127.0.0.1:8765
Accept=yes
UNIT
unit hoysocket@.service <<UNIT
[Service]
Environment=HOY_ROOT=$HOY_ROOT
StandardInput=socket
StandardError=journal
ExecStart=$dir/hoy run --rm -i --network none busybox sh -c 'read line; echo "you said \$line"'
UNIT
ctl start hoysocket.socket
eventually '^you said hello' sh -c 'echo hello | timeout 10 busybox nc 127.0.0.1 8765'
ctl stop hoysocket.socket 'hoysocket@*.service'
unit hoylisten.socket <<UNIT
[Socket]
ListenStream=127.0.0.1:8766
FileDescriptorName=web
UNIT
unit hoylisten.service <<UNIT
[Service]
Type=notify
NotifyAccess=all
Environment=HOY_ROOT=$HOY_ROOT
ExecStart=$dir/hoy run --rm --name listen --network none busybox sh -c 'echo \$LISTEN_FDS \$LISTEN_FDNAMES \$LISTEN_PID; readlink /proc/self/fd/3; trap "exit 0" TERM; while :; do sleep 0.1; done'
UNIT
ctl start hoylisten.socket
echo | timeout 1 busybox nc 127.0.0.1 8766
eventually '^active$' ctl is-active hoylisten
eventually '^1 web 1$' journal hoylisten
eventually '^socket:' journal hoylisten
ctl stop hoylisten.socket hoylisten.service

# Nothing is left.
eventually '^names $' sh -c 'ls "$HOY_ROOT/containers" | tr "\n" " "'
eventually '^0$' sh -c 'ps -e -o args | grep -c "^hoy-"'
rm -f "$units"/hoy*
ctl daemon-reload
finish "$(id -un)'s units"
