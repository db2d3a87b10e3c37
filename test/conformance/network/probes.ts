/** Questions that are asked from a network namespace, and what becomes of them in one word or address. */
import { join } from "node:path";
import { run } from "../../support/run.ts";

const UDP = join(import.meta.dirname, "..", "..", "support", "udp-probe.ts");
const PATIENCE_S = "2";

/** Whom an HTTP server of `image.ts` sees. `through`: enters the namespace. */
export async function ask(through: readonly string[], address: string, port: number): Promise<string> {
  const host = address.includes(":") ? `[${address}]` : address;
  const url = `http://${host}:${port}/cgi-bin/who`;
  const fetching = ["busybox", "timeout", PATIENCE_S, "busybox", "wget", "-q", "-O", "-", url];
  const { stdout, stderr } = await run([...through, ...fetching]);
  const seen = /^\[?([0-9a-f.:]+?)\]?$/.exec(stdout)?.[1];
  if (seen !== undefined) return seen.replace(/^::ffff:/, "");
  if (stdout !== "") return `nonsense: ${stdout}`;
  if (stderr.includes("Connection refused")) return "refused";
  if (/reset|error getting response/i.test(stderr)) return "accepted and closed";
  if (/unreachable|No route to host/.test(stderr)) return "unreachable";
  return stderr.trim() === "" ? "no answer" : stderr.trim();
}

/** Whom a server of `udp-probe.ts` sees. */
export async function askUdp(through: readonly string[], address: string, port: number): Promise<string> {
  const { code, stdout } = await run([...through, process.execPath, UDP, "ask", address, `${port}`]);
  return code === 0 ? stdout.trim() : "no answer";
}
