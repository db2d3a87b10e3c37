/** A word of EXPOSE: a container's port or a range of them, with what Docker lets stand before it and ignores. Pure. */
import { invalid } from "./change-lines.ts";

/** "80/tcp", of a range each. Throws `invalid_argument` with Docker's words. */
export function exposedPorts(text: string): readonly string[] {
  const slash = text.indexOf("/");
  const [ports, given] = slash < 0 ? [text, ""] : [text.slice(0, slash), text.slice(slash + 1)];
  const protocol = given === "" ? "tcp" : given.toLowerCase();
  if (!["tcp", "udp", "sctp"].includes(protocol)) throw invalid(`Invalid proto: ${given.slice(0, 100)}`);
  const colon = ports.lastIndexOf(":");
  const own = ports.slice(colon + 1);
  if (own === "") throw invalid(`No port specified: ${text.slice(0, 100)}<empty>`);
  const host = colon < 0 ? "" : ports.slice(ports.lastIndexOf(":", colon - 1) + 1, colon);
  if (host !== "" && rangeOf(host) === undefined) throw invalid(`Invalid hostPort: ${host.slice(0, 100)}`);
  const range = rangeOf(own);
  if (range === undefined) throw invalid(`Invalid containerPort: ${own.slice(0, 100)}`);
  const [first, last] = range;
  return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol}`);
}

function rangeOf(text: string): readonly [number, number] | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
  return first <= last && last <= 65_535 ? [first, last] : undefined;
}
