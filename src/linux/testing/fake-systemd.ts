/** A peer for tests that speaks as systemd's manager does: the other half of systemd-manager.ts. */
import type { Socket } from "node:net";
import { DBusWriter, decodeMessage, messageBytes } from "../systemd-dbus-message.ts";

/** A message of another: reply 2, error 3 or signal 4. */
export function message(
  type: 2 | 3 | 4,
  fields: {
    readonly to?: number;
    readonly error?: string;
    readonly member?: string;
    readonly signature?: string;
  },
  body: (writer: DBusWriter) => unknown = () => {},
): Buffer {
  const content = new DBusWriter();
  body(content);
  const writer = new DBusWriter().byte(0x6c).byte(type).byte(0).byte(1).u32(content.bytes().length).u32(99);
  writer.array(8, () => {
    if (fields.member !== undefined) writer.align(8).byte(3).signature("s").string(fields.member);
    if (fields.error !== undefined) writer.align(8).byte(4).signature("s").string(fields.error);
    if (fields.to !== undefined) writer.align(8).byte(5).signature("u").u32(fields.to);
    if (fields.signature !== undefined) writer.align(8).byte(8).signature("g").signature(fields.signature);
  });
  return Buffer.concat([writer.align(8).bytes(), content.bytes()]);
}

export const removed = (job: string, result: string): Buffer =>
  message(4, { member: "JobRemoved", signature: "uoss" }, (writer) =>
    writer.u32(1).string(job).string("x.scope").string(result),
  );
export const answer = (serial: number, text: string): Buffer =>
  message(2, { to: serial, signature: "o" }, (writer) => writer.string(text));
export const refusal = (serial: number, name: string): Buffer =>
  message(3, { to: serial, error: `org.freedesktop.systemd1.${name}`, signature: "s" }, (writer) =>
    writer.string(`because of ${name}`),
  );

export type Reply = (member: string, serial: number, body: Buffer) => readonly Buffer[];

/**
 * Speaks as systemd does: authentication, then messages. The members that were called go to `called`. A BEGIN that is not there
 * with AUTH is not answered at all: sd-bus may read it together with a message then, and not look at that.
 */
export function speakAsSystemd(peer: Socket, reply: Reply, called: string[]): void {
  let received = Buffer.alloc(0);
  const state = { isReady: false };
  peer.on("data", (chunk) => {
    received = Buffer.concat([received, Buffer.from(chunk)]);
    if (!state.isReady && received.toString("latin1") === "\0AUTH EXTERNAL 30\r\nBEGIN\r\n") {
      received = Buffer.alloc(0);
      peer.write("OK 0123456789abcdef\r\n");
      state.isReady = true;
    }
    while (state.isReady && received.length >= 16 && received.length >= messageBytes(received)) {
      const bytes = Buffer.from(received.subarray(0, messageBytes(received)));
      received = received.subarray(bytes.length);
      const { member = "", body } = decodeMessage(bytes);
      called.push(member);
      // In pieces, as a stream may bring them.
      const all = Buffer.concat(reply(member, bytes.readUInt32LE(8), body));
      peer.write(all.subarray(0, 5));
      peer.write(all.subarray(5));
    }
  });
}
