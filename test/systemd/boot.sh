#!/bin/bash
# Boots this machine's own systemd in namespaces of its own, on a copy of the root file system
# whose changes are kept in memory only:
#
#   boot.sh REPOSITORY UID
#
# The repository appears read-only at /opt/sesame; the user UID exists and has a running manager.
# Prints the process id of the booted systemd, then runs until that ends or until it is told to
# end, itself or by the end of its parent. Needs root and Debian's package `systemd`.
set -euo pipefail

outside() {
  # A control group of its own, from which the second set of namespaces is made: systemd takes the
  # whole tree that it sees.
  mount -t cgroup2 none /mnt
  local group=/mnt/sesame-test-$$ namespaces init
  mkdir "$group"
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    exec setpriv --pdeathsig KILL unshare --fork --kill-child \
      --mount --pid --cgroup --ipc --uts --net -- "$0" --inside "$@"
  ) &
  namespaces=$!
  trap exit TERM INT
  trap "kill -9 $namespaces 2>&-; wait; remove $group" EXIT
  until init=$(<"/proc/$namespaces/task/$namespaces/children") && [ -n "$init" ]; do
    sleep 0.01
  done
  echo "$init"
  wait "$namespaces"
}

# What was killed is gone a moment later only.
remove() {
  local tries=100
  until find "$1" -depth -type d -exec rmdir {} + 2>&- || [ $((tries -= 1)) -eq 0 ]; do
    sleep 0.05
  done
}

inside() {
  local repository=$1 uid=$2 root=/mnt/root
  mount -t tmpfs -o mode=755 none /mnt
  mkdir /mnt/upper /mnt/work "$root"
  mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none "$root"
  mkdir -p "$root/opt/sesame" "$root/home/user"
  mount --bind "$repository" "$root/opt/sesame"
  mount -o remount,bind,ro "$root/opt/sesame"
  file_systems "$root"
  units "$root/etc/systemd" "$uid"
  sed -i "/^[^:]*:[^:]*:$uid:/d" "$root/etc/passwd"
  echo "user:x:$uid:$uid::/home/user:/bin/sh" >>"$root/etc/passwd"
  chown "$uid:$uid" "$root/home/user"
  chmod 0700 "$root/home/user"

  cd "$root"
  mkdir -p mnt/old
  pivot_root . mnt/old
  umount -l /mnt/old
  mount --make-rshared /
  exec env -i container=sesame-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=machine.target --log-target=journal --show-status=no
}

file_systems() {
  local root=$1
  mount -t proc none "$root/proc"
  # Settings of the kernel belong to the whole machine.
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount -t sysfs -o ro none "$root/sys"
  mount -t cgroup2 none "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 none "$root/run"
  # The first sandboxed service of the system makes it; the managers of users need it.
  mkdir -p "$root/run/systemd"
  mkdir -m 0700 "$root/run/systemd/unit-root"
  mount -t tmpfs -o mode=1777 none "$root/tmp"
  mount -t tmpfs -o mode=755 none "$root/dev"
  mkdir "$root/dev/shm" "$root/dev/mqueue" "$root/dev/hugepages"
  mount -t tmpfs -o mode=1777 none "$root/dev/shm"
  # Made anew: whatever changes their mode must not change the machine's.
  mknod -m 0666 "$root/dev/null" c 1 3
  mknod -m 0666 "$root/dev/zero" c 1 5
  mknod -m 0666 "$root/dev/full" c 1 7
  mknod -m 0666 "$root/dev/random" c 1 8
  mknod -m 0666 "$root/dev/urandom" c 1 9
  mknod -m 0666 "$root/dev/tty" c 5 0
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s pts/ptmx "$root/dev/ptmx"
}

# A journal and the manager of one user, without the login stack (PAM, D-Bus, logind); nothing of
# what this machine would start.
units() {
  local etc=$1 uid=$2 unit
  rm -rf "$etc/system" "$etc/user" "$etc"/../../usr/lib/systemd/{system,user}/*.wants
  mkdir -p "$etc/system/user@.service.d" "$etc/user"
  printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' >"$etc/journald.conf"
  cat >"$etc/system/machine.target" <<UNIT
[Unit]
Requires=systemd-journald.socket systemd-journald.service user@$uid.service
After=systemd-journald.service user@$uid.service
UNIT
  cat >"$etc/system/user@.service.d/plain.conf" <<UNIT
[Service]
PAMName=
Environment=XDG_RUNTIME_DIR=/run/user/%i
UNIT
  cat >"$etc/system/user-runtime-dir@.service" <<UNIT
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/install -d -m 0700 -o %i -g %i /run/user/%i
UNIT
}

case $1 in
  --inside) inside "${@:2}" ;;
  --outside) outside "${@:2}" ;;
  *)
    exec setpriv --pdeathsig TERM unshare --mount --propagation private -- \
      "$(realpath "$0")" --outside "$(realpath "$1")" "$2"
    ;;
esac
