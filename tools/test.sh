#!/bin/sh
# npm test: installs what the tests need, builds, runs every test and ends with "N passed, N failed".
#   npm test                         everything
#   npm test -- test/integration/x.test.ts [-t pattern]     one file, against the finished build
set -eu
cd "$(dirname -- "$0")/.."

need() { # need COMMAND-OR-FILE PACKAGE
  command -v "$1" >/dev/null 2>&1 || [ -e "$1" ] || missing="$missing $2"
}
missing=
need /bin/busybox busybox-static
need unshare util-linux
need ip iproute2
need debootstrap debootstrap
need zstd zstd
need bzip2 bzip2
need xz xz-utils
need ps procps
need curl curl
need setfattr attr
# Others' eyes on the rules that are made here, and others' rules beside them.
need nft nftables
need iptables-nft iptables
# Where a log driver's messages arrive.
need rsyslogd rsyslog
need /usr/include/seccomp.h libseccomp-dev
# What gantry-runc is compared with.
need runc runc
need crun crun
# What is run under the shim in its place, and who runs it.
need runsc runsc
need podman podman
# Certificates; a registry that is not ours, and who pushes to ours.
need openssl openssl
need docker-registry docker-registry
need skopeo skopeo
need umoci umoci
# The client that Python programs use (test/conformance/clients).
need /usr/lib/python3/dist-packages/docker python3-docker
need strace strace
# The emulated machine with cgroup v2, systemd and AppArmor (tools/vm.ts).
[ "$(uname -m)" != x86_64 ] || need qemu-system-x86_64 qemu-system-x86
# A disk that keeps a log of its writes, for power cuts (test/chaos/power-cut).
need qemu-storage-daemon qemu-system-common
need mkfs.xfs xfsprogs
need mkfs.ext4 e2fsprogs
need mkfs.btrfs btrfs-progs
if ! command -v docker >/dev/null 2>&1; then
  # Debian 13 has the client as a package of its own; before that it came with the engine, which we never start.
  if apt-cache show docker-cli >/dev/null 2>&1; then missing="$missing docker-cli"; else missing="$missing docker.io"; fi
fi
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing Debian packages for the tests:$missing"
    apt-get update -q >/dev/null 2>&1 || true
    # policy-rc.d: a package may bring a service; none is to be started here
    install() {
      RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/tmp/gantry-test-apt.log 2>&1
    }
    # Not every release and architecture has all of them.
    # shellcheck disable=SC2086
    install $missing || for package in $missing; do
      install "$package" || { tail -n 5 /tmp/gantry-test-apt.log; echo "could not install $package (tests that need it are skipped by name)"; }
    done
    rm -f /tmp/gantry-test-apt.log
  else
    echo "not root: tests that need these packages are skipped by name:$missing"
  fi
fi

sh tools/setup.sh
if [ "$(cat build/commit 2>/dev/null)" != "$(git rev-parse HEAD 2>/dev/null)" ] || [ -n "$(git status --porcelain 2>/dev/null)" ] || [ ! -x build/gantryd ]; then
  node_modules/.bin/bun tools/build.ts
fi

# Client libraries that are run against the engine, and the Node.js they ask for: no part of the product's own packages.
clients=test/conformance/clients/programs
if ! cmp -s $clients/package-lock.json build/clients/installed-lock; then
  echo "installing client libraries for the tests"
  rm -rf build/clients && mkdir -p build/clients && cp $clients/package.json $clients/package-lock.json build/clients/
  if (cd build/clients && npm ci --ignore-scripts --prefer-offline --no-audit --no-fund >npm.log 2>&1); then
    cp $clients/package-lock.json build/clients/installed-lock
  else
    tail -n 5 build/clients/npm.log
    echo "could not install client libraries (tests that need them are skipped by name)"
  fi
fi
exec node_modules/.bin/bun tools/test.ts "$@"
