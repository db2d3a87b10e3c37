import { readDocumentIfThere } from "./files.ts";

const MAX_PASSWD_BYTES = 1 << 20;

/** Of this host's user; "#1000" when nobody has that number. */
export function userName(uid: number): string {
  return uid === 0 ? "root" : nameIn(readDocumentIfThere("/etc/passwd", MAX_PASSWD_BYTES) ?? "", uid);
}

function nameIn(passwd: string, uid: number): string {
  const line = passwd.split("\n").find((each) => each.split(":")[2] === String(uid));
  return line?.split(":")[0] ?? `#${uid}`;
}
