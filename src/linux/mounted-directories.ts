/** What is mounted where, as this process sees it. */
import { readFileSync } from "node:fs";

/** Directories and files that something is mounted on. */
export function mountedDirectories(
  mountinfo = readFileSync("/proc/self/mountinfo", "utf8"),
): ReadonlySet<string> {
  return new Set(
    mountinfo.split("\n").flatMap((line) => {
      const place = line.split(" ")[4];
      return place === undefined ? [] : [unescapeMountPath(place)];
    }),
  );
}

/** proc_pid_mountinfo(5): blanks, line ends and backslashes are octal. */
export function unescapeMountPath(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
