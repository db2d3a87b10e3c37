import { describe, expect, test } from "bun:test";
import { failureOf } from "../../../test/support/failure.ts";
import { messageOf } from "../../base/errors.ts";
import { accepted, exchange, listing, NetlinkError, outcomesOf } from "./exchange.ts";
import { attribute, batch, CONTROL, FLAG, message, type Message, struct } from "./message.ts";

const order = message(16, FLAG.ack, struct(), []);
const question = message(18, FLAG.dump, struct(), []);

/** A message as the kernel answers it. */
function answer(type: number, flags: number, sequence: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const answered: Message = message(type, flags, Buffer.concat(parts), []);
  const bytes = batch([answered], sequence);
  new DataView(bytes.buffer).setUint16(6, flags, true);
  return bytes;
}
const header = struct([4, 16], [4, 0], [4, 0], [4, 0]);
const acknowledged = (sequence: number): Uint8Array =>
  answer(CONTROL.error, 0x100, sequence, struct([4, 0]), header);
const refused = (sequence: number, errno: number, words?: string): Uint8Array =>
  answer(
    CONTROL.error,
    words === undefined ? 0x100 : 0x300,
    sequence,
    struct([4, -errno]),
    header,
    words === undefined
      ? new Uint8Array()
      : Buffer.concat([attribute.string(1, words), attribute.u32(2, 36)]),
  );
const done = (sequence: number, flags = 0, errno = 0): Uint8Array =>
  answer(CONTROL.done, FLAG.multi | flags, sequence, struct([4, -errno]));

describe("outcomesOf()", () => {
  test("gives each message its own answers, in whatever order they come", () => {
    const got = outcomesOf(
      [order, order, question],
      Buffer.concat([
        answer(20, FLAG.multi, 3, struct([4, 1])),
        refused(2, 17, "taken"),
        acknowledged(1),
        done(3),
      ]),
    );
    expect(got[0]).toEqual([]);
    expect(got[1]).toMatchObject({ code: "EEXIST", errno: 17, words: "taken", offset: 36 });
    expect(got[1]).toBeInstanceOf(NetlinkError);
    expect(got[2]).toMatchObject([{ type: 20 }]);
    expect(() => accepted(got)).toThrow("EEXIST: taken");
  });

  test("a refusal without words is its errno; one of a listing comes at its end", () => {
    const got = outcomesOf([order, question], Buffer.concat([refused(1, 1), done(2, 0, 13)]));
    expect(got).toMatchObject([
      { code: "EPERM", words: "", message: "EPERM" },
      { code: "EACCES", words: "" },
    ]);
  });

  test("finds the words behind a request that is echoed in whole", () => {
    const longer = struct([4, 19], [4, 0], [4, 0], [4, 0], [4, 0x41]);
    const bytes = answer(CONTROL.error, 0x200, 1, struct([4, -22]), longer, attribute.string(1, "no"));
    expect(outcomesOf([order], bytes)).toMatchObject([{ code: "EINVAL", words: "no" }]);
  });

  test("what is missing, foreign, lost or cut is an error", () => {
    expect(() => outcomesOf([order], new Uint8Array())).toThrow("did not answer to message 1 of 1");
    expect(() => outcomesOf([question], answer(20, FLAG.multi, 1))).toThrow("did not answer");
    expect(() => outcomesOf([order], acknowledged(2))).toThrow("answer to message 2 of 1");
    expect(() => outcomesOf([order], answer(CONTROL.overrun, 0, 1))).toThrow("lost");
    expect(() => outcomesOf([order], answer(CONTROL.error, 0, 1))).toThrow("value of 4 bytes");
  });

  test("messages that want no acknowledgement need none", () => {
    expect(outcomesOf([message(1, FLAG.create | FLAG.exclusive, struct(), [])], new Uint8Array())).toEqual([
      [],
    ]);
  });
});

describe("listing()", () => {
  const interrupted = Buffer.concat([answer(20, FLAG.multi, 1), done(1, FLAG.interrupted)]);
  const whole = Buffer.concat([answer(21, FLAG.multi, 1), done(1)]);

  test("asks again when what it lists was changed meanwhile, and gives up some time", async () => {
    const answers = [interrupted, interrupted, whole];
    let asked = 0;
    const native = { netlink: async () => answers[asked++] ?? interrupted };
    expect(await listing(native, 0, undefined, question)).toMatchObject([{ type: 21 }]);
    expect(asked).toBe(3);
    expect(await failureOf(listing(native, 0, undefined, question))).toMatchObject({ code: "EINTR" });
  });
});

test("exchange() hands nothing over for nothing", async () => {
  const native = { netlink: () => Promise.reject(new Error("called")) };
  expect(await exchange(native, 0, undefined, [])).toEqual([]);
  expect(messageOf(await failureOf(exchange(native, 0, undefined, [order])))).toContain("called");
});
