#!/bin/sh
# Builds build/gantry from a checkout: Debian packages when missing (needs root), npm packages, native part, executable.
# Quiet when all goes well, one line a step; everything else is in build/setup.log.
set -u
home=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
cd "$home" || exit 1
mkdir -p build
log=$home/build/setup.log

# Two first uses at once: the second waits, then finds the work done.
if command -v flock >/dev/null 2>&1; then
  exec 9>build/setup.lock
  flock 9
fi
: >"$log"

say() { echo "gantry: $*" >&2; }
die() {
  say "$1"
  tail -n 15 "$log" | sed 's/^/    /' >&2
  say "the whole log is in $log"
  exit 1
}

packages=
command -v make >/dev/null 2>&1 || packages="$packages make"
command -v cc >/dev/null 2>&1 || packages="$packages gcc"
if command -v cc >/dev/null 2>&1 && echo 'int main(void){return 0;}' | cc -static -x c - -o /dev/null 2>/dev/null; then :; else
  packages="$packages libc6-dev"
fi
[ -e /usr/include/linux/openat2.h ] || packages="$packages linux-libc-dev"
command -v npm >/dev/null 2>&1 || packages="$packages nodejs npm"
if [ -n "$packages" ]; then
  [ "$(id -u)" = 0 ] || die "these Debian packages are missing and only root can install them:$packages"
  command -v apt-get >/dev/null 2>&1 || die "please install these first:$packages"
  say "installing Debian packages:$packages"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages; } >>"$log" 2>&1 ||
    die "could not install$packages"
fi

if ! cmp -s package-lock.json build/installed-lock || [ ! -x node_modules/.bin/bun ]; then
  say "installing npm packages"
  npm ci >>"$log" 2>&1 || die "npm ci failed"
  cp package-lock.json build/installed-lock
fi

say "building"
node_modules/.bin/bun tools/build.ts >>"$log" 2>&1 || die "the build failed"
