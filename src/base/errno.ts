/** Names of error numbers that come as numbers from C: Linux's generic table (include/uapi/asm-generic/errno.h). */
import { constants } from "node:os";

/** Those that file systems, keys, cgroups and nftables answer with and that libuv's list leaves out. */
const FURTHER: readonly (readonly [string, number])[] = [
  ["ENOTBLK", 15],
  ["ENOTUNIQ", 76],
  ["ELIBACC", 79],
  ["ELIBBAD", 80],
  ["ERESTART", 85],
  ["EUSERS", 87],
  ["ESOCKTNOSUPPORT", 94],
  ["EUCLEAN", 117],
  ["EREMOTEIO", 121],
  ["ENOMEDIUM", 123],
  ["EMEDIUMTYPE", 124],
  ["ENOKEY", 126],
  ["EKEYEXPIRED", 127],
  ["EKEYREVOKED", 128],
  ["EKEYREJECTED", 129],
];

const NAMES = new Map<number, string>();
for (const [name, number] of [...Object.entries(constants.errno), ...FURTHER])
  if (!NAMES.has(number)) NAMES.set(number, name);

/** "ENOENT" for 2; "errno 4095" for a number nobody knows. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? `errno ${number}`;
}

/** How Go, and so Docker, words the errors of an execve; "errno ENOKEY" for others. */
const TEXTS = new Map([
  ["E2BIG", "argument list too long"],
  ["EACCES", "permission denied"],
  ["EINVAL", "invalid argument"],
  ["EIO", "input/output error"],
  ["EISDIR", "is a directory"],
  ["ELIBBAD", "accessing a corrupted shared library"],
  ["ELOOP", "too many levels of symbolic links"],
  ["EMFILE", "too many open files"],
  ["ENAMETOOLONG", "file name too long"],
  ["ENFILE", "too many open files in system"],
  ["ENOENT", "no such file or directory"],
  ["ENOEXEC", "exec format error"],
  ["ENOMEM", "cannot allocate memory"],
  ["ENOTDIR", "not a directory"],
  ["EPERM", "operation not permitted"],
  ["ETXTBSY", "text file busy"],
]);

export function errnoText(name: string): string {
  return TEXTS.get(name) ?? `errno ${name}`;
}
