#!/bin/sh
# build-base.sh WORK: makes WORK/root.img, WORK/vmlinuz and WORK/initrd from Debian packages alone. Needs root and a
# mount namespace of its own. The kernel's package is unpacked, not installed: no boot loader or initrd of any host changes.
#
# Debian 12 on purpose: its kernel (6.1) is the oldest one supported, so old and new kernels are both tested.
set -eu
work=$1
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$work/root
suite=bookworm
packages=systemd,systemd-sysv,dbus,apparmor,busybox-static,iproute2,iptables,procps,kmod,zstd,util-linux,strace,xfsprogs

debootstrap --variant=minbase --include="$packages" "$suite" "$root"

chroot "$root" apt-get update -q
# podman calls gantry-runc as its users do, and criu works on this kernel. No service of a package is to be started now.
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -q --no-install-recommends podman criu >/dev/null
kernel=$(chroot "$root" apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p')
chroot "$root" sh -ec 'cd /tmp; apt-get download -q "$0"; for deb in *.deb; do dpkg-deb -x "$deb" /tmp/kernel; done' "$kernel"
version=$(ls "$root/tmp/kernel/lib/modules")
mv "$root/tmp/kernel/boot/vmlinuz-$version" "$work/vmlinuz"
mkdir -p "$root/usr/lib/modules"
mv "$root/tmp/kernel/lib/modules/$version" "$root/usr/lib/modules/"
chroot "$root" depmod "$version"

# Small image, quick boot.
rm -rf "$root"/tmp/* "$root"/var/cache/apt "$root"/var/lib/apt/lists "$root"/usr/share/doc "$root"/usr/share/man \
  "$root"/usr/share/locale "$root"/var/log/*.log
: >"$root/etc/fstab"
echo gantry-vm >"$root/etc/hostname"
printf '127.0.0.1 localhost gantry-vm\n::1 localhost\n' >"$root/etc/hosts"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id" # else systemd takes every boot for the first one
mkdir -p "$root/project" "$root/project-image" "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=volatile\nReadKMsg=no\n' >"$root/etc/systemd/journald.conf.d/volatile.conf"
for unit in apparmor.service getty.target timers.target systemd-firstboot.service systemd-journal-catalog-update.service \
  systemd-journal-flush.service systemd-logind.service systemd-machine-id-commit.service systemd-pstore.service \
  systemd-random-seed.service systemd-sysusers.service systemd-update-done.service systemd-update-utmp.service \
  modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service \
  modprobe@fuse.service modprobe@loop.service sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
  systemd-binfmt.service systemd-pcrphase.service systemd-pcrphase-sysinit.service \
  systemd-ask-password-console.path systemd-ask-password-wall.path; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# An initrd with nothing but what finds the disks.
tree=$work/initrd-tree
mkdir -p "$tree/bin" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/newroot" "$tree/lib/modules/$version"
cp "$root/bin/busybox" "$tree/bin/"
cp "$here/guest/init" "$tree/init"
chmod 755 "$tree/init"
for module in virtio_pci virtio_blk virtio_console virtio_rng overlay; do
  chroot "$root" modprobe -S "$version" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$tree/modules"
while read -r path; do
  cp "$root$path" "$tree/lib/modules/$version/"
done <"$tree/modules"
sed -i 's,.*/,,' "$tree/modules"
(cd "$tree" && find . | bin/busybox cpio -o -H newc) | gzip -1 >"$work/initrd"

truncate -s 8G "$work/root.img"
mkfs.ext4 -q -F -m 0 -O ^has_journal -d "$root" "$work/root.img"
rm -rf "$root" "$tree"
