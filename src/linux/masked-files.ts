/** Which of a container's mounts hide a file: proc_pid_mountinfo(5). */
import { readFileSync } from "node:fs";

/** The mount points, as the process sees them, at which the host's null device is mounted. */
export function maskedFiles(pid: number): Set<string> {
  return nullMounts(readFileSync(`/proc/${pid}/mountinfo`, "utf8"));
}

/** Field 4 is the part of the filesystem that is mounted, field 5 the mount point, with octal escapes. */
export function nullMounts(mountinfo: string): Set<string> {
  const found = new Set<string>();
  for (const line of mountinfo.split("\n")) {
    const [, , , root = "", point = ""] = line.split(" ");
    if (root === "/null") found.add(unescaped(point));
  }
  return found;
}

function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
