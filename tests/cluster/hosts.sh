#!/usr/bin/env bash
# A laptop and N machines with SSH, all on this one, for `ray up` without a cloud.
#
# Each is one `unshare`: its own network, processes, host name, /tmp, /run and /dev/shm, and its own root file
# system, an overlay on this one. The cable between them is a bridge inside the laptop's
# network: nothing is seen of it outside, nothing leaves it, two clusters do not meet. Killing a machine's first
# process is a power cut: the kernel takes all others of it.
#
#   HOSTS=FOLDER hosts.sh up [N]       start a laptop and machines h1 … hN (default 3)
#   HOSTS=FOLDER hosts.sh run CMD…     on the laptop
#   HOSTS=FOLDER hosts.sh exec H CMD…  on a machine, without SSH
#   HOSTS=FOLDER hosts.sh kill|boot|replace H    power cut; start again; start with an empty disk in its place
#   HOSTS=FOLDER hosts.sh cut|heal H   cable out, in
#   HOSTS=FOLDER hosts.sh list|down
#   HOSTS=FOLDER hosts.sh guard        down as soon as nobody holds the other end of its standard input
#
#   HOSTS          folder for state and for what the machines share, /mnt/serhpo on each of them
#   HOSTS_HIDE     folders that are empty on all of them, separated by ':'
#   HOSTS_BIND     folders that all see, read-only (what lies under /tmp, or in a hidden folder)
#   HOSTS_PREPARE  a script run on each machine before it takes connections, as its image would have been made
#   HOSTS_PATH     put in front of PATH on the laptop
set -euo pipefail

STATE=${HOSTS:?a folder for the state}
NET=198.51.100  # for documentation alone (RFC 5737): no real network has it
SELF=$(readlink -f "${BASH_SOURCE[0]}")
SEARCH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

die() { echo "hosts.sh: $*" >&2; exit 1; }
pid_of() { cat "$STATE/$1/pid" 2>/dev/null || true; }
address() { if [ "$1" = laptop ]; then echo "$NET.1"; else echo "$NET.$((10 + ${1#h}))"; fi; }
wired() { nsenter -t "$(pid_of laptop)" -n ip "$@"; }  # what it does stays in the laptop's network
machines() { for d in "$STATE"/h[0-9]*/; do [ -d "$d" ] && basename "$d"; done | sort -V; }

alive() {  # the recorded process is still the one that was started: numbers are used again
  local pid; pid=$(pid_of "$1")
  [ -n "$pid" ] && [ "$(readlink "/proc/$pid/ns/mnt" 2>/dev/null)" = "$(cat "$STATE/$1/mnt" 2>/dev/null)" ]
}

each() {  # each "a:b" command: the command with a, then with b
  local IFS=: part
  for part in $1; do [ -z "$part" ] || "$2" "$part"; done
}

hide() { mkdir -p "$new$1" && mount -t tmpfs tmpfs "$new$1"; }
show() { mkdir -p "$new$1" && mount --rbind "$1" "$new$1" && mount -o remount,ro,bind "$new$1"; }

first_time() {  # what is on the disk of a new machine
  rm -rf "$new"/root/.{ssh,ray,serhpo,profile,bash_profile,bash_login,bash_aliases}
  mkdir -m 700 "$new/root/.ssh"
  echo "PATH=$SEARCH" > "$new/root/.bashrc"
  echo '. ~/.bashrc' > "$new/root/.profile"
  echo "$1" > "$new/etc/hostname"
  { echo "127.0.0.1 localhost"; cat "$STATE/names"; } > "$new/etc/hosts"
  if [ "$1" = laptop ]; then
    install -m 600 "$STATE/key" "$new/root/.ssh/serhpo"
  else
    install -m 600 "$STATE/key.pub" "$new/root/.ssh/authorized_keys"
    install -m 600 "$STATE/hostkey" "$new/etc/ssh/hosts_key"
    [ -z "${HOSTS_PREPARE:-}" ] || install "$HOSTS_PREPARE" "$new/root/prepare"
  fi
  touch "$new/root/.ssh/$1"
}

# The first process of a new machine: builds its root, then becomes sshd, or a sleep on the laptop.
first_process() {
  local name=$1 root=$STATE/disks/$1 new=$STATE/disks/$1/new
  hostname "$name"
  mkdir -p "$root"/{upper,work,new}
  mount -t overlay overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" "$new"
  mount -t proc proc "$new/proc"
  mount --rbind /sys "$new/sys"
  mount --rbind /dev "$new/dev"
  mount -t tmpfs -o size=512m,mode=1777 tmpfs "$new/dev/shm"
  mount -t tmpfs -o mode=0755 tmpfs "$new/run"
  mount -t tmpfs -o mode=1777 tmpfs "$new/tmp"
  mkdir -p "$new/run/sshd"
  each "${HOSTS_HIDE:-}" hide
  each "${HOSTS_BIND:-}" show
  [ "$name" != laptop ] || SEARCH=${HOSTS_PATH:+$HOSTS_PATH:}$SEARCH
  [ -e "$new/root/.ssh/$name" ] || first_time "$name"
  [ "$name" = laptop ] || { mkdir -p "$new/mnt/serhpo" && mount --bind "$STATE/shared" "$new/mnt/serhpo"; }
  until ip link show eth0 >/dev/null 2>&1 || [ "$name" = laptop ]; do sleep 0.05; done  # plugged in by the parent
  ip link set lo up
  if [ "$name" != laptop ]; then
    ip addr add "$(address "$name")/24" dev eth0
    ip link set eth0 up
  fi
  mkdir -p "$new/.old"
  cd "$new"
  pivot_root . .old
  umount -l /.old
  export HOME=/root USER=root PATH=$SEARCH
  cd /root
  [ "$name" != laptop ] || exec sleep infinity
  if [ -e prepare ]; then ./prepare; rm prepare; fi
  exec /usr/sbin/sshd -D -e -f /dev/null -o "ListenAddress=$(address "$name")" -o HostKey=/etc/ssh/hosts_key \
    -o PidFile=none -o UsePAM=no -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no \
    -o PermitRootLogin=prohibit-password -o PrintMotd=no -o MaxStartups=100 -o MaxSessions=100
}

remember() {
  readlink "/proc/$2/ns/mnt" > "$STATE/$1/mnt"
  echo "$2" > "$STATE/$1/pid"
}

boot() {
  local name=$1 outer pid= shelf
  shelf=$(pid_of shelf)  # not in the line below: that would be a child of its own
  alive "$name" && die "$name is up"
  mkdir -p "$STATE/$name"
  setsid nsenter -t "$shelf" -m unshare --net --pid --mount --uts --ipc --fork --kill-child \
    bash "$SELF" first-process "$name" > "$STATE/$name/log" 2>&1 < /dev/null &
  outer=$!
  for _ in $(seq 200); do
    pid=$(tr -d ' ' 2>/dev/null < "/proc/$outer/task/$outer/children") || true
    [ -z "$pid" ] || break
    sleep 0.05
  done
  [ -n "$pid" ] || die "$name did not start: $(cat "$STATE/$name/log")"
  remember "$name" "$pid"
  if [ "$name" = laptop ]; then
    wired link add cable type bridge
    wired addr add "$(address laptop)/24" dev cable
    wired link set cable up
  else  # the same address of the card every time: nobody remembers a stale one
    wired link add "$name" type veth peer name eth0 address "02:00:00:00:00:$(printf %02x "${name#h}")" netns "$pid"
    wired link set "$name" master cable up
  fi
}

shelf() {  # disks outlive a machine: they are in the sight of a process that does nothing else
  mkdir -p "$STATE"/{shelf,disks}
  setsid unshare --mount sh -c "mount -t tmpfs -o size=8g tmpfs '$STATE/disks' && exec sleep infinity" \
    > "$STATE/shelf/log" 2>&1 < /dev/null &
  for _ in $(seq 200); do
    nsenter -t $! -m mountpoint -q "$STATE/disks" && remember shelf $! && return
    sleep 0.05
  done
  die "no place for disks: $(cat "$STATE/shelf/log")"
}

wait_for_ssh() {
  for _ in $(seq 300); do
    alive "$1" || break
    cmd_run bash -c "exec 3<>/dev/tcp/$(address "$1")/22" 2>/dev/null && return
    sleep 0.1
  done
  die "$1 does not answer: $(tail -5 "$STATE/$1/log")"
}

power_off() {
  alive "$1" || return 0
  kill -9 "$(pid_of "$1")"
  while alive "$1"; do sleep 0.05; done
  rm -f "$STATE/$1/pid"
  [ -z "$(pid_of laptop)" ] || wired link del "$1" 2>/dev/null || true  # its cable goes with it, but not at once
}

inside() {  # inside MACHINE PATH CMD…
  nsenter -t "$(pid_of "$1")" -a -- env -i HOME=/root USER=root TERM=dumb LANG=C.UTF-8 PATH="$2" "${@:3}"
}
cmd_run() { inside laptop "${HOSTS_PATH:+$HOSTS_PATH:}$SEARCH" "$@"; }

cmd_up() {
  local i
  [ "$(id -u)" = 0 ] || die "needs root"
  for i in ip unshare nsenter ssh-keygen ssh rsync /usr/sbin/sshd; do command -v "$i" > /dev/null || die "missing: $i"; done
  [ ! -e "$STATE/key" ] || die "up already in $STATE"
  mkdir -p "$STATE/shared" && chmod 700 "$STATE"
  ssh-keygen -q -t ed25519 -N '' -f "$STATE/key" -C hosts
  ssh-keygen -q -t ed25519 -N '' -f "$STATE/hostkey" -C hosts
  for i in $(seq "$1"); do echo "$(address "h$i") h$i"; done > "$STATE/names"
  shelf
  boot laptop
  for i in $(seq "$1"); do boot "h$i"; done
  for i in $(seq "$1"); do wait_for_ssh "h$i"; done
}

cmd_down() {
  local name
  for name in $(machines) laptop shelf; do power_off "$name"; done
  rm -rf --one-file-system "$STATE"
}

case ${1:-} in
  up) cmd_up "${2:-3}" ;;
  run) cmd_run "${@:2}" ;;
  exec) alive "$2" || die "$2 is down"; inside "$2" "$SEARCH" "${@:3}" ;;
  kill) power_off "$2" ;;
  boot) boot "$2"; wait_for_ssh "$2" ;;
  replace) nsenter -t "$(pid_of shelf)" -m rm -rf --one-file-system "$STATE/disks/$2"; boot "$2"; wait_for_ssh "$2" ;;
  cut) wired link set "$2" down ;;
  heal) wired link set "$2" up ;;
  list) for name in $(machines); do echo "$name $(address "$name") $(alive "$name" && echo up || echo down)"; done ;;
  down) cmd_down ;;
  guard) cat > /dev/null; cmd_down ;;
  first-process) first_process "$2" ;;
  *) sed -n '2,/^set -euo/p' "$SELF" | sed '$d; s/^# \{0,1\}//'; exit 2 ;;
esac
