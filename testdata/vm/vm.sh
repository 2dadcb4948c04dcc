#!/usr/bin/env bash
# vm.sh - a throw-away Debian test machine (cgroup v2, systemd as PID 1, an
# unprivileged user with subordinate ids and a real login session), made from
# Debian packages only and run by QEMU, with KVM where it works and in pure
# software (TCG) where it does not.
#
#   vm.sh build                       make the image and a warm snapshot of the booted machine
#   vm.sh run [OPTION]... -- CMD...   run CMD in a fresh copy of it; prints its output, exits with its status
#   vm.sh built                       exits with 0 when the image is there, with the packages that it should have
#   vm.sh deps | info | snapshot | clean
#
# run options:
#   --user NAME      dev (default) or root
#   --manager        dev: run inside user@1000.service (systemd-run --user) rather than in the login session's scope
#   --cold           boot from scratch instead of resuming the warm snapshot
#   --cmdline ARGS   boot from scratch with these arguments of the kernel's
#   --share DIR      the host folder at /mnt/host (default: the current directory)
#   --cwd DIR        working directory inside (default /mnt/host)
#   --env K=V        (repeatable) environment for CMD
#   --stdin          hand this script's standard input to CMD (read to its end first; default: /dev/null)
#   --timeout S      kill the machine after S seconds (default 1800), exit 124
#   --console        print the guest console's log to stderr at the end
#   --keep           keep the run's folder (console log, disk overlay) and say where
# One CMD word is given to the shell (like ssh); several words are an argument vector.
# Exit status: CMD's; 124 timeout; 125 the machine failed.
#
# environment:
#   VM_DIR      work folder            (default $XDG_CACHE_HOME/hoy-vm or ~/.cache/hoy-vm)
#   VM_SUITE    bookworm | trixie      (default trixie)
#   VM_VARIANT  a name for a second image of the same suite (default: none)
#   VM_PACKAGES extra packages for the image
#   VM_KERNEL   kernel meta package    (default linux-image-amd64; linux-image-cloud-amd64 has no 9p)
#   VM_MIRROR   Debian mirror          (default: the one that this machine's apt uses)
#   VM_ACCEL    auto | kvm | tcg       VM_MEM MiB (2048)   VM_CPUS (2)   VM_DISK size (8G)
#   VM_TIMING=1 print times; VM_9P mount options of the share; VM_CMDLINE more kernel arguments; VM_UDEV= no udev
#   VM_DELEGATE controllers to delegate to user@.service (default: what the distribution delegates)
set -eu -o pipefail

: "${VM_DIR:=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/hoy-vm}"
: "${VM_SUITE:=trixie}" "${VM_VARIANT:=}" "${VM_KERNEL:=linux-image-amd64}"
# the mirror of this machine's own apt sources, in either format
mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
    awk '/^(deb|URIs:)/{for(i=2;i<=NF;i++) if ($i ~ /^https?:/ && $i ~ /\/debian\/?$/) {sub(/\/$/,"",$i); print $i; exit}}'
}
: "${VM_MIRROR:=$(mirror)}" "${VM_ACCEL:=auto}"
: "${VM_MEM:=2048}" "${VM_CPUS:=2}" "${VM_DISK:=8G}" "${VM_DELEGATE:=}"
: "${VM_PACKAGES:=}" "${VM_9P:=msize=512000,cache=mmap}" "${VM_CMDLINE:=}"
: "${VM_UDEV=udev}"
BASE_PACKAGES="systemd systemd-sysv $VM_UDEV dbus dbus-user-session libpam-systemd kmod uidmap \
  busybox-static iproute2 nftables iptables procps util-linux mount login passwd \
  passt slirp4netns fuse-overlayfs strace libcap2-bin attr ca-certificates apparmor \
  firewalld podman netavark aardvark-dns crun docker.io docker-cli"
IMG="$VM_DIR/$VM_SUITE${VM_VARIANT:+-$VM_VARIANT}"
QEMU=${VM_QEMU:-qemu-system-x86_64}

die() { echo "vm.sh: $*" >&2; exit 125; }
log() { echo "vm.sh: $*" >&2; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN{printf "%.1f", b-a}'; }

DEPS="qemu-system-x86 qemu-utils mmdebstrap e2fsprogs xz-utils zstd"
need() { local c; for c in "$@"; do command -v "$c" >/dev/null || die "needs $c (apt-get install --no-install-recommends $DEPS)"; done; }

# ---------------------------------------------------------------- build ----

# What goes into the image beside the packages. Runs as (namespaced) root, $1 = the root tree.
customize() {
  local r=$1 d suite=$VM_SUITE
  # the kernel: unpacked, not installed, so no initramfs-tools and no hooks
  mkdir -p "$r/tmp/k"
  ( cd "$r/tmp/k"
    export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
    k=$(apt-cache depends --important "$VM_KERNEL" | awk '/Depends: linux-image/{print $2; exit}')
    apt-get -q download "$k" )
  dpkg-deb -x "$r"/tmp/k/*.deb "$r/tmp/k/x"
  d=$(echo "$r"/tmp/k/x/boot/vmlinuz-*); KVER=${d##*/vmlinuz-}
  mkdir -p "$r/boot" "$r/usr/lib/modules"
  mv "$d" "$r/boot/vmlinuz"; mv "$r/tmp/k/x/boot/config-$KVER" "$r/boot/"
  mv "$r/tmp/k/x"/{usr/,}lib/modules/"$KVER" "$r/usr/lib/modules/" 2>/dev/null || :
  [ -d "$r/usr/lib/modules/$KVER" ] || { echo "no modules of $KVER" >&2; exit 1; }
  rm -rf "$r/tmp/k"
  # drop drivers for hardware this machine can never have
  ( cd "$r/usr/lib/modules/$KVER/kernel"
    rm -rf arch/x86/kvm arch/x86/crypto drivers/cpufreq drivers/crypto drivers/acpi drivers/mfd drivers/gpio drivers/ptp drivers/pps \
      drivers/char/ipmi drivers/char/tpm drivers/firmware drivers/nvme drivers/thermal drivers/powercap drivers/rtc drivers/spi \
      sound drivers/gpu drivers/media drivers/infiniband drivers/iio drivers/staging drivers/usb \
      drivers/hid drivers/input drivers/scsi drivers/ata drivers/mmc drivers/mtd drivers/leds drivers/hwmon \
      drivers/i2c drivers/platform drivers/power drivers/regulator drivers/comedi drivers/isdn drivers/edac \
      drivers/bluetooth drivers/nfc drivers/thunderbolt drivers/w1 drivers/watchdog drivers/video drivers/misc \
      drivers/net/ethernet drivers/net/wireless drivers/net/usb drivers/net/can drivers/net/phy drivers/net/wwan \
      drivers/net/fddi drivers/net/hamradio drivers/net/arcnet drivers/net/ieee802154 drivers/target drivers/soundwire \
      net/bluetooth net/mac80211 net/wireless net/nfc net/can net/rxrpc net/sunrpc net/ceph net/tipc net/rds \
      net/batman-adv net/ieee802154 net/mac802154 net/atm net/ax25 net/netrom net/rose net/dccp net/smc \
      fs/ocfs2 fs/gfs2 fs/ceph fs/afs fs/nfs fs/nfsd fs/smb fs/cifs fs/jfs fs/f2fs fs/bcachefs fs/nilfs2 fs/reiserfs \
      fs/ubifs fs/jffs2 fs/orangefs fs/coda fs/ntfs3 fs/dlm fs/lockd )
  chroot "$r" depmod "$KVER"

  # the initrd: busybox and the few modules that the root disk, the share and the ports need
  local i="$r/tmp/initrd" m dep
  mkdir -p "$i"/{bin,m,dev,proc,root}
  cp "$r"/bin/busybox "$i/bin/"
  : >"$i/mods"
  for m in virtio_pci virtio_blk crc32c_generic ext4 virtio_console virtio_net virtio_rng 9pnet_virtio 9p; do
    # modules.dep: "path: dep dep"; dependencies are listed nearest first, load them last to first
    dep=$(awk -F: -v m="$m" '{n=$1; sub(/.*\//,"",n); sub(/\.ko.*/,"",n); gsub(/-/,"_",n)
          if (n==m) {k=split($2,a," "); for(j=k;j>0;j--) print a[j]; print $1}}' "$r/usr/lib/modules/$KVER/modules.dep")
    for dep in $dep; do
      local b=${dep##*/}; b=${b%.xz}; b=${b%.zst}
      grep -qx "$b" "$i/mods" && continue
      case $dep in
        *.xz)  xz -dc "$r/usr/lib/modules/$KVER/$dep" >"$i/m/$b";;
        *.zst) zstd -qdc "$r/usr/lib/modules/$KVER/$dep" >"$i/m/$b";;
        *)     cp "$r/usr/lib/modules/$KVER/$dep" "$i/m/$b";;
      esac
      echo "$b" >>"$i/mods"
    done
  done
  cat >"$i/init" <<'E'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
if $b grep -q vmprobe /proc/cmdline; then echo VMPROBE-OK; $b poweroff -f; fi
for m in $($b cat /mods); do $b insmod /m/$m || echo "insmod $m failed"; done
n=0; while [ ! -e /dev/vda ] && [ $n -lt 100 ]; do $b usleep 50000; n=$((n+1)); done
$b mount -t ext4 -o rw,noatime /dev/vda /root || exec $b sh
$b umount /proc
$b mount -o move /dev /root/dev
exec $b switch_root /root /lib/systemd/systemd
E
  chmod 755 "$i/init"
  ( cd "$i" && find . | "$r/bin/busybox" cpio -o -H newc 2>/dev/null ) >"$r/boot/initrd"
  rm -rf "$i"

  # the user
  chroot "$r" useradd -m -u 1000 -U -s /bin/bash dev
  echo dev:100000:65536 >"$r/etc/subuid"; echo dev:100000:65536 >"$r/etc/subgid"
  mkdir -p "$r/var/lib/systemd/linger"; : >"$r/var/lib/systemd/linger/dev"
  echo vm >"$r/etc/hostname"
  printf '127.0.0.1 localhost vm\n::1 localhost\n' >"$r/etc/hosts"
  echo 'nameserver 10.0.2.3' >"$r/etc/resolv.conf"
  : >"$r/etc/fstab"
  cat /proc/sys/kernel/random/uuid | tr -d - >"$r/etc/machine-id"
  mkdir -p "$r/mnt/host" "$r/usr/local/lib/vm"
  if [ -n "$VM_DELEGATE" ]; then
    mkdir -p "$r/etc/systemd/system/user@.service.d"
    printf '[Service]\nDelegate=%s\n' "$VM_DELEGATE" >"$r/etc/systemd/system/user@.service.d/delegate.conf"
  fi

  # less at boot
  local u
  for u in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
      fstrim.timer man-db.timer logrotate.timer systemd-tmpfiles-clean.timer getty.target getty@tty1.service \
      serial-getty@ttyS0.service systemd-timesyncd.service systemd-networkd.service systemd-resolved.service \
      systemd-random-seed.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
      systemd-hwdb-update.service ldconfig.service systemd-firstboot.service \
      systemd-journal-catalog-update.service systemd-machine-id-commit.service systemd-update-done.service \
      systemd-rfkill.service systemd-rfkill.socket systemd-backlight@.service systemd-pstore.service \
      keyboard-setup.service console-setup.service systemd-vconsole-setup.service modprobe@drm.service \
      systemd-ask-password-console.path systemd-ask-password-wall.path initrd-cleanup.service \
      dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount systemd-pcrphase.service \
      systemd-boot-random-seed.service systemd-tpm2-setup.service systemd-tpm2-setup-early.service \
      systemd-fsck-root.service systemd-remount-fs.service nftables.service networking.service apparmor.service \
      firewalld.service docker.service docker.socket containerd.service podman.service podman.socket podman-auto-update.timer podman-auto-update.service \
      podman-restart.service podman-clean-transient.service polkit.service; do
    ln -sfn /dev/null "$r/etc/systemd/system/$u"
  done
  mkdir -p "$r/etc/systemd/system-generators"
  for u in "$r"/usr/lib/systemd/system-generators/* "$r"/lib/systemd/system-generators/*; do
    [ -e "$u" ] && ln -sfn /dev/null "$r/etc/systemd/system-generators/${u##*/}"
  done
  # the journal as the distribution has it: on disk, split by user, so that journalctl --user works
  mkdir -p "$r/var/log/journal/$(cat "$r/etc/machine-id")" "$r/etc/systemd/journald.conf.d" "$r/etc/systemd/system.conf.d"
  printf '[Journal]\nStorage=persistent\nSystemMaxUse=256M\nRateLimitIntervalSec=0\n' >"$r/etc/systemd/journald.conf.d/vm.conf"
  printf '[Manager]\nDefaultTimeoutStopSec=5s\n' >"$r/etc/systemd/system.conf.d/vm.conf"

  # The agents. vm-ctl (root) speaks to the host over the first virtio port; vm-agent@root and
  # vm-agent@dev each sit in their place (a delegated system service; a login session) and run the job.
  cat >"$r/usr/local/lib/vm/ctl" <<'E'
#!/bin/bash
# waits for both agents, says ready, reads the host's line, mounts the shares, starts the job, reports
p=/dev/vport0p1
exec 5<>$p
ip link set lo up
for a in root dev; do read -r _ </run/vm/$a/ready; done
[ ! -e /run/udev ] || udevadm settle
n=$(basename /sys/bus/virtio/drivers/virtio_net/*/net/*)
ip link set "$n" up && ip addr add 10.0.2.15/24 dev "$n" && ip route add default via 10.0.2.2
echo ready >&5
read -r epoch seed host9p <&5
date -s "@$epoch" >/dev/null; echo "$seed" >/dev/urandom
mkdir -p /run/vmctl
mount -t 9p -o trans=virtio,version=9p2000.L,access=client,"$host9p" vmctl /run/vmctl &&
mount -t 9p -o trans=virtio,version=9p2000.L,access=client,"$host9p" host /mnt/host || { echo "rc 125" >&5; exit; }
read -r user </run/vmctl/user
exec 6<>"/run/vm/$user/rc"
echo go >"/run/vm/$user/go"
read -r rc <&6
sync -f /mnt/host
echo "rc $rc" >&5
read -r _ <&5
E
  cat >"$r/usr/local/lib/vm/agent" <<'E'
#!/bin/bash
# $1 = root or dev; runs as that user
d=/run/vm/$1
cat <$d/out >$d/port.out & c1=$!
cat <$d/err >$d/port.err & c2=$!
echo ready >$d/ready
read -r _ <$d/go
unset JOURNAL_STREAM INVOCATION_ID SYSTEMD_EXEC_PID MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE NOTIFY_SOCKET OLDPWD
in=/dev/null; [ -e /run/vmctl/stdin ] && in=/run/vmctl/stdin
exec 3>$d/out 4>$d/err
bash -l /run/vmctl/job <$in >&3 2>&4 3>&- 4>&-
rc=$?
exec 3>&- 4>&-
# whatever the job left in the background may still hold its output: wait a little for the rest
n=0; while { kill -0 $c1 || kill -0 $c2; } 2>/dev/null && [ $n -lt 20 ]; do sleep 0.1; n=$((n+1)); done
echo $rc >$d/rc
sleep infinity
E
  # each port can be open only once at a time, so a relay copies to it only when it has something to copy
  cat >"$r/usr/local/lib/vm/prepare" <<'E'
#!/bin/bash
for a in root dev; do
  mkdir -p /run/vm/$a; mkfifo -m 600 /run/vm/$a/{out,err,ready,go,rc}
  ln -s /dev/vport0p2 /run/vm/$a/port.out; ln -s /dev/vport0p3 /run/vm/$a/port.err
  chown -R $a: /run/vm/$a
done
chmod 666 /dev/vport0p2 /dev/vport0p3
[ -e /run/udev ] || chmod 666 /dev/fuse /dev/net/tun
E
  chmod 755 "$r"/usr/local/lib/vm/*
  cat >"$r/etc/systemd/system/vm-prepare.service" <<'E'
[Unit]
DefaultDependencies=no
After=local-fs.target systemd-tmpfiles-setup.service systemd-udev-settle.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/vm/prepare
E
  cat >"$r/etc/systemd/system/vm-agent-root.service" <<'E'
[Unit]
Requires=vm-prepare.service
After=vm-prepare.service
[Service]
Delegate=yes
Environment=HOME=/root USER=root LOGNAME=root SHELL=/bin/bash
WorkingDirectory=/root
ExecStart=/usr/local/lib/vm/agent root
TasksMax=infinity
IgnoreSIGPIPE=no
LimitNOFILE=1024:524288
E
  cat >"$r/etc/systemd/system/vm-agent-dev.service" <<'E'
[Unit]
Requires=vm-prepare.service user@1000.service
After=vm-prepare.service user@1000.service systemd-user-sessions.service dbus.socket systemd-logind.service
[Service]
User=dev
PAMName=login
Environment=XDG_SESSION_CLASS=user XDG_SESSION_TYPE=tty
WorkingDirectory=/home/dev
ExecStart=/usr/local/lib/vm/agent dev
IgnoreSIGPIPE=no
LimitNOFILE=1024:524288
E
  cat >"$r/etc/systemd/system/vm-ctl.service" <<'E'
[Unit]
Wants=vm-agent-root.service vm-agent-dev.service
After=vm-prepare.service
[Service]
ExecStart=/usr/local/lib/vm/ctl
[Install]
WantedBy=multi-user.target
E
  mkdir -p "$r/etc/systemd/system/multi-user.target.wants"
  ln -sfn ../vm-ctl.service "$r/etc/systemd/system/multi-user.target.wants/vm-ctl.service"
  ln -sfn /usr/lib/systemd/system/multi-user.target "$r/etc/systemd/system/default.target"
  rm -rf "$r"/usr/share/{doc,man,info,locale,lintian}/* "$r"/var/lib/apt/lists/* "$r"/var/cache/apt/*
}

build() {
  need "$QEMU" qemu-img mmdebstrap mke2fs xz zstd
  local t0; t0=$(now)
  mkdir -p "$IMG"; rm -rf "$IMG"/{new,warm}; mkdir -p "$IMG/new"
  local n="$IMG/new" self ns='' sources
  self=$(readlink -f "$0")
  [ "$(id -u)" = 0 ] || ns="unshare --map-root-user --map-auto"
  sources="deb $VM_MIRROR $VM_SUITE main"
  [ -n "$VM_MIRROR" ] || die "no Debian mirror in this machine's apt sources: set VM_MIRROR"
  if [ -z "${VM_NO_UPDATES:-}" ]; then sources="$sources
deb $VM_MIRROR $VM_SUITE-updates main
deb ${VM_MIRROR}-security $VM_SUITE-security main"; fi
  log "packages ($VM_SUITE)"
  export VM_SUITE VM_KERNEL VM_DELEGATE
  mmdebstrap --quiet --variant=minbase --format=tar --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="$(echo $BASE_PACKAGES $VM_PACKAGES | tr ' ' ,)" \
    --customize-hook="bash '$self' _customize \"\$1\"" \
    "$VM_SUITE" "$n/root.tar" - <<<"$sources" >&2
  log "packages: $(since "$t0") s; disk"
  $ns bash "$self" _mkdisk "$n" "$VM_DISK"
  rm -f "$n/root.tar"
  mv "$n"/* "$IMG"/; rmdir "$n"
  echo $BASE_PACKAGES $VM_PACKAGES >"$IMG/packages"
  log "image: $(since "$t0") s, $(du -sh "$IMG" | cut -f1)"
  snapshot
  log "build: $(since "$t0") s in all"
}

# $1 = folder with root.tar, $2 = disk size: makes disk.raw, vmlinux, initrd
mkdisk() {
  local n=$1 z
  mkdir "$n/x"
  tar -C "$n/x" --xattrs --xattrs-include='*' --numeric-owner --exclude='./dev/*' -xpf "$n/root.tar"
  mv "$n/x/boot/vmlinuz" "$n/vmlinuz"; mv "$n/x/boot/initrd" "$n/initrd"
  truncate -s "$2" "$n/disk.raw"
  mke2fs -q -t ext4 -E lazy_itable_init=1,lazy_journal_init=1,nodiscard -m 0 -d "$n/x" "$n/disk.raw" >&2
  rm -rf "$n/x"
  # the uncompressed kernel: QEMU starts it directly (PVH), which saves the guest the decompression
  u32() { od -An -tu4 -j "$1" -N4 "$n/vmlinuz" | tr -d ' '; }
  local s off len; s=$(od -An -tu1 -j 497 -N1 "$n/vmlinuz" | tr -d ' ')
  off=$(( (s + 1) * 512 + $(u32 584) )); len=$(u32 588)
  tail -c +$((off + 1)) "$n/vmlinuz" | head -c "$len" >"$n/payload" || :
  case $(od -An -tx1 -N4 "$n/payload" | tr -d ' ') in
    28b52ffd) z="zstd -qdc";; fd377a58) z="xz -dc --single-stream";; 1f8b*) z="gzip -dc";; 02214c18) z="lz4 -dc";; *) z=false;;
  esac
  $z <"$n/payload" >"$n/vmlinux" 2>/dev/null || :     # the four bytes of size at the end are no error
  rm -f "$n/payload"
  [ "$(head -c4 "$n/vmlinux" | od -An -tx1 | tr -d ' ')" = 7f454c46 ] || cp "$n/vmlinuz" "$n/vmlinux"
}

# ------------------------------------------------------------------ run ----

hostkey() { { "$QEMU" --version | head -1; grep -m1 '^model name' /proc/cpuinfo; grep -m1 '^flags' /proc/cpuinfo; } | cksum | tr -d ' '; }

# what a snapshot depends on: QEMU's version, the machine's shape, and under KVM the host's processor
snapkey() { echo "$("$QEMU" --version | head -1) $1 $VM_MEM $VM_CPUS $VM_CMDLINE" "$([ "$1" = tcg ] || hostkey)"; }

# does KVM really run this kernel? (a /dev/kvm may be there that cannot: nested PVM, missing permission)
pick_accel() {
  case $VM_ACCEL in kvm|tcg) echo "$VM_ACCEL"; return;; esac
  local f key; f="$IMG/accel"; key=$(hostkey)
  if [ -e "$f" ] && [ "$(cut -d' ' -f1 "$f")" = "$key" ]; then cut -d' ' -f2 "$f"; return; fi
  local a=tcg
  if [ -r /dev/kvm ] && [ -w /dev/kvm ] &&
     timeout 15 "$QEMU" -accel kvm -cpu host -M q35 -m 512 -nodefaults -display none -no-reboot -serial stdio \
       -kernel "$IMG/vmlinux" -initrd "$IMG/initrd" -append "console=ttyS0 quiet vmprobe panic=-1" \
       </dev/null 2>/dev/null | grep -q VMPROBE-OK; then a=kvm; fi
  echo "$key $a" >"$f"; echo "$a"
}

# start QEMU with its run folder $1, disk $2, share $3; the rest are further arguments
start_qemu() {
  local d=$1 disk=$2 share=$3; shift 3
  # TCG runs the vCPUs on one thread: with thread=multi QEMU 7.2 loses a race against the kernel's live
  # patching of its own code and about one boot in thirty dies of "Oops: int3". Two machines at once use two cores.
  local accel cpu; accel=$(pick_accel)
  case $accel in kvm) cpu=${VM_CPU:-host};; *) cpu=${VM_CPU:-max,-svm,-la57}; accel=tcg,thread=${VM_TCG_THREAD:-single},tb-size=256;; esac
  mkdir -p "$d/ctl"
  mkfifo "$d/port.in" "$d/port.out" "$d/mon.in" "$d/mon.out" "$d/out" "$d/err"
  local pre=; setpriv --pdeathsig KILL true 2>/dev/null && pre="setpriv --pdeathsig KILL"
  $pre "$QEMU" -name hoy-vm -accel "$accel" -cpu "$cpu" -M q35,usb=off,vmport=off,smbus=off -smp "$VM_CPUS" -m "$VM_MEM" \
    -nodefaults -no-user-config -display none -no-reboot -rtc base=utc \
    -kernel "$IMG/vmlinux" -initrd "$IMG/initrd" \
    -append "console=ttyS0 quiet loglevel=4 panic=-1 rootwait systemd.show_status=0 systemd.log_target=kmsg \
systemd.log_level=warning nokaslr mitigations=off audit=0 random.trust_cpu=on tsc=reliable no_timer_check nowatchdog transparent_hugepage=never $VM_CMDLINE" \
    -serial "file:$d/console.log" \
    -chardev "pipe,id=mon,path=$d/mon" -mon chardev=mon,mode=readline \
    -device virtio-serial-pci,max_ports=4 \
    -chardev "pipe,id=ctl,path=$d/port" -device virtserialport,chardev=ctl,nr=1,name=ctl \
    -chardev "file,id=out,path=$d/out" -device virtserialport,chardev=out,nr=2,name=out \
    -chardev "file,id=err,path=$d/err" -device virtserialport,chardev=err,nr=3,name=err \
    -blockdev "driver=qcow2,node-name=root,discard=unmap,cache.no-flush=on,file.driver=file,file.filename=$disk,file.cache.no-flush=on" \
    -device virtio-blk-pci,drive=root \
    -fsdev "local,id=ctlfs,path=$d/ctl,security_model=none" -device virtio-9p-pci,fsdev=ctlfs,mount_tag=vmctl \
    -fsdev "local,id=hostfs,path=$share,security_model=none,multidevs=remap" -device virtio-9p-pci,fsdev=hostfs,mount_tag=host \
    -netdev user,id=net,restrict=on -device virtio-net-pci,netdev=net,romfile= \
    -device virtio-rng-pci \
    "$@" ${VM_QEMU_ARGS:-} >"$d/qemu.log" 2>&1 &
  QPID=$!
}

# processor time and memory that QEMU has used
usage() { awk '{u=$14; s=$15} END{printf "%.1f s of processor time, ", (u+s)/100}' "/proc/$QPID/stat"
  awk '/VmHWM/{printf "%d MiB", $2/1024}' "/proc/$QPID/status"; }

overlay() { qemu-img create -q -f qcow2 -F "$3" -b "$2" "$1"; }   # overlay FILE BACKING FORMAT

# wait for a line from the guest on the control port; 1 when QEMU is gone or time is over
port_line() {
  local until=$(( $(date +%s) + $1 ))
  while :; do
    if read -r -t 1 LINE <&8; then return 0; fi
    kill -0 "$QPID" 2>/dev/null || return 1
    [ "$(date +%s)" -lt "$until" ] || return 2
  done
}

cleanup() {
  [ -z "${QPID:-}" ] || { kill -9 "$QPID" 2>/dev/null; wait "$QPID" 2>/dev/null; } || :
  [ -z "${RUN:-}" ] || { [ -n "${KEEP:-}" ] && log "kept $RUN"; } || rm -rf "$RUN"
}

# boot once, wait until all is idle, and save the machine
snapshot() {
  need "$QEMU" qemu-img
  local t0 accel; t0=$(now); accel=$(pick_accel)
  rm -rf "$IMG/warm"; mkdir -p "$IMG/warm.new"
  RUN=$(mktemp -d "$IMG/run.XXXXXX"); trap cleanup EXIT
  overlay "$IMG/warm.new/disk.qcow2" "$IMG/disk.raw" raw
  start_qemu "$RUN" "$IMG/warm.new/disk.qcow2" "$RUN"
  cat "$RUN/out" >/dev/null & cat "$RUN/err" >/dev/null &
  exec 7<>"$RUN/mon.in" 8<>"$RUN/port.out" 9<>"$RUN/mon.out"
  port_line ${VM_BOOT_TIMEOUT:-300} && [ "$LINE" = ready ] || { tail -n 30 "$RUN/console.log" "$RUN/qemu.log" >&2; die "the machine did not come up"; }
  log "cold boot to ready ($accel): $(since "$t0") s"
  sleep "${VM_SETTLE:-3}"
  echo "migrate_set_parameter max-bandwidth 0" >&7
  echo "migrate \"exec:cat > '$IMG/warm.new/state'\"" >&7
  echo "info migrate" >&7
  local st=
  while read -r -t 120 st <&9; do case $st in *"Migration status: completed"*) break;; *"Migration status: failed"*) die "snapshot failed";; esac; done
  echo quit >&7
  wait "$QPID" || :; QPID=
  exec 7>&- 8>&- 9>&-
  snapkey "$accel" >"$IMG/warm.new/key"
  mv "$IMG/warm.new" "$IMG/warm"
  qemu-img rebase -u -f qcow2 -F raw -b ../disk.raw "$IMG/warm/disk.qcow2"    # relative: the folder may move
  rm -rf "$RUN"; RUN=
  log "snapshot: $(since "$t0") s, $(du -sh "$IMG/warm" | cut -f1)"
}

run() {
  local user=dev cold= share=$PWD cwd=/mnt/host timeout=1800 console= stdin= manager= KEEP= envs=() timing=${VM_TIMING:-}
  while [ $# -gt 0 ]; do
    case $1 in
      --user) user=$2; shift 2;; --manager) manager=1; shift;; --cold) cold=1; shift;;
      --cmdline) VM_CMDLINE=$2 cold=1; shift 2;;
      --share) share=$2; shift 2;; --cwd) cwd=$2; shift 2;; --env) envs+=("$2"); shift 2;;
      --stdin) stdin=1; shift;; --timeout) timeout=$2; shift 2;; --console) console=1; shift;;
      --keep) KEEP=1; shift;; --) shift; break;; -*) die "unknown option $1";; *) break;;
    esac
  done
  [ $# -gt 0 ] || die "no command"
  case $user in dev|root) ;; *) die "--user dev or root";; esac
  [ -e "$IMG/disk.raw" ] || die "no image in $IMG: run 'vm.sh build'"
  share=$(readlink -f "$share")
  local t0 accel; t0=$(now)
  if [ -z "$cold" ]; then
    accel=$(pick_accel)
    if [ "$(cat "$IMG/warm/key" 2>/dev/null)" != "$(snapkey "$accel")" ]; then
      ( flock 6; [ "$(cat "$IMG/warm/key" 2>/dev/null)" = "$(snapkey "$accel")" ] || { log "no snapshot for this host: making one"; snapshot; } ) 6>"$IMG/lock"
      t0=$(now)
    fi
  fi
  RUN=$(mktemp -d "$IMG/run.XXXXXX"); trap cleanup EXIT; trap 'exit 130' INT TERM
  mkdir -p "$RUN/ctl"; chmod 755 "$RUN" "$RUN/ctl"
  echo "$user" >"$RUN/ctl/user"
  [ -z "$stdin" ] || cat >"$RUN/ctl/stdin"
  {
    local e; for e in ${envs[@]+"${envs[@]}"}; do printf 'export %s=%q\n' "${e%%=*}" "${e#*=}"; done
    printf 'cd %q || exit 126\n' "$cwd"
    local w=''
    [ -z "$manager" ] || w='systemd-run --user --quiet --wait --pipe --collect --same-dir '
    if [ $# = 1 ]; then
      if [ -n "$w" ]; then printf '%sbash -c %q\n' "$w" "$1"; else printf '%s\n' "$1"; fi
    else
      printf '%s' "${w:-exec }"; printf '%q ' "$@"; echo
    fi
  } >"$RUN/ctl/job"
  chmod 644 "$RUN"/ctl/*
  local extra=()
  if [ -n "$cold" ]; then overlay "$RUN/disk.qcow2" "$IMG/disk.raw" raw
  else
    overlay "$RUN/disk.qcow2" "$IMG/warm/disk.qcow2" qcow2
    extra=(-incoming "exec:cat '$IMG/warm/state'")
  fi
  start_qemu "$RUN" "$RUN/disk.qcow2" "$share" ${extra[@]+"${extra[@]}"}
  cat "$RUN/out" & local c1=$!
  cat "$RUN/err" >&2 & local c2=$!
  exec 7<>"$RUN/port.in" 8<>"$RUN/port.out" 9<>"$RUN/mon.out"
  ( cat <&9 >"$RUN/mon.log" ) & local c3=$!
  local rc=125 r=0 LINE=
  if [ -n "$cold" ]; then
    port_line ${VM_BOOT_TIMEOUT:-300} || { tail -n 30 "$RUN/console.log" "$RUN/qemu.log" >&2; die "the machine did not come up"; }
    [ -z "$timing" ] || log "ready after $(since "$t0") s, $(usage)"; fi
  echo "$(now) $(head -c32 /dev/urandom | od -An -tx1 | tr -d ' \n') $VM_9P" >&7
  port_line "$timeout" || r=$?
  case $r in 0) rc=${LINE##*[!0-9]} rc=${rc:-125};; # the port has been seen to lose the first letter
  2) rc=124; log "timeout after $timeout s";; *) log "the machine is gone"; cat "$RUN/qemu.log" >&2;; esac
  [ -z "$timing" ] || log "command done after $(since "$t0") s, $(usage)"
  kill -9 "$QPID" 2>/dev/null; wait "$QPID" 2>/dev/null || :; QPID=
  wait $c1 $c2; kill $c3 2>/dev/null || :
  [ -z "$console" ] || cat "$RUN/console.log" >&2
  exec 7>&- 8>&- 9>&-
  exit "$rc"
}

case ${1:-} in
  build) build;;
  built) [ -e "$IMG/disk.raw" ] && [ "$(cat "$IMG/packages" 2>/dev/null)" = "$(echo $BASE_PACKAGES $VM_PACKAGES)" ];;
  snapshot) snapshot;;
  run) shift; run "$@";;
  deps) echo "$DEPS";;
  info) echo "image $IMG"; du -sh "$IMG"/* 2>/dev/null; echo "accel $(pick_accel)";;
  clean) rm -rf "$IMG";;
  _customize) customize "$2";;
  _mkdisk) mkdisk "$2" "$3";;
  *) sed -n '2,/^set -eu/p' "$0" | sed '$d;s/^# \{0,1\}//'; exit 2;;
esac
