/**
 * `bun dns-upstream.ts ADDRESS`: a server of names on port 53 that does what a name says: plain.test has an address, big.test too
 * many for a datagram, edns.test tells what was announced to it, from.test who asks, nothing is heard of silent.test. asked.NAME
 * tells how often NAME was asked for.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { answer, type Asked, RCODES, readQuery, TYPES } from "./dns-wire.ts";

const address = process.argv[2] ?? "";
const TC = 0x0200;
const FAILURES: Readonly<Record<string, string>> = { "fail.test": "SERVFAIL", "refused.test": "REFUSED" };
const counts = new Map<string, number>();

function text(line: string): Buffer {
  return Buffer.concat([Buffer.of(line.length), Buffer.from(line)]);
}

function dataOf(
  { name, type, udpBytes }: Asked,
  transport: string,
  from: string,
): readonly Buffer[] | undefined {
  if (name.startsWith("asked.")) return [text(`${counts.get(name.slice("asked.".length)) ?? 0} times`)];
  if (name === "edns.test") return [text(`${transport}, edns ${udpBytes ?? "none"}`)];
  if (name === "from.test") return [text(from)];
  if (name !== "plain.test" && name !== "big.test") return undefined;
  if (type === TYPES["AAAA"]) return [Buffer.from("20010db8000000000000000000000001", "hex")];
  if (type !== TYPES["A"]) return [];
  return Array.from({ length: name === "big.test" ? 60 : 1 }, (_, index) =>
    Buffer.of(198, 51, 100, index + 1),
  );
}

function reply(bytes: Buffer, transport: string, from: string): Buffer | undefined {
  const asked = readQuery(bytes);
  counts.set(asked.name, (counts.get(asked.name) ?? 0) + 1);
  if (asked.name === "silent.test") return undefined;
  const failure = FAILURES[asked.name];
  if (failure !== undefined) return answer(asked, RCODES.indexOf(failure), []);
  const data = dataOf(asked, transport, from);
  if (data === undefined) return answer(asked, RCODES.indexOf("NXDOMAIN"), []);
  const whole = answer(asked, 0, data);
  return transport === "udp" && whole.length > 512 ? answer(asked, 0, [], TC) : whole;
}

const datagrams = createSocket("udp4");
datagrams.on("message", (bytes, sender) => {
  const message = reply(bytes, "udp", sender.address);
  if (message !== undefined) datagrams.send(message, sender.port, sender.address);
});
const connections = createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes: Buffer) => {
    const message = reply(bytes.subarray(2), "tcp", socket.remoteAddress ?? "");
    if (message === undefined) return;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
  });
});
datagrams.bind(53, address, () => connections.listen(53, address, () => console.log("ready")));
