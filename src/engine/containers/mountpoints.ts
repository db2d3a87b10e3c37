/**
 * Where starting a container makes files and directories to mount on. Docker hides them in a layer of their own; here they lie
 * in the container's, so whoever asks what the container changed leaves them out as long as nothing is in them.
 */
export const MOUNTPOINTS: readonly string[] = [
  "dev",
  "dev/console",
  "dev/mqueue",
  "dev/pts",
  "dev/shm",
  "etc",
  "etc/hostname",
  "etc/hosts",
  "etc/resolv.conf",
  "proc",
  "sys",
  "sys/fs",
  "sys/fs/cgroup",
];
