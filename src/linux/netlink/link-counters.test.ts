import { endianness } from "node:os";
import { describe, expect, test } from "bun:test";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { accepted, exchange, PROTOCOL } from "./exchange.ts";
import { linkCountersOf, listLinkCounters, readCounters } from "./link-counters.ts";
import { newLink } from "./links.ts";

describe.skipIf(endianness() === "BE")("readCounters()", () => {
  const bytes = (...parts: readonly string[]): Uint8Array =>
    Buffer.from(parts.join("").replaceAll(" ", ""), "hex");
  const header = "00 00 0000 02000000 00000000 00000000";
  const name = "0900 0300 6574683000 000000";
  const counters = Array.from({ length: 8 }, (_, i) => `0${i + 1}00000000000000`).join("");
  const answer = (payload: Uint8Array) => ({ type: 16, flags: 0, sequence: 1, payload });

  test("takes packets, bytes, errors and what was dropped, each way", () => {
    expect(readCounters(answer(bytes(header, name, "4400 1700", counters)))).toEqual([
      [
        "eth0",
        {
          received: { packets: 1n, bytes: 3n, errors: 5n, dropped: 7n },
          sent: { packets: 2n, bytes: 4n, errors: 6n, dropped: 8n },
        },
      ],
    ]);
  });

  test("leaves out links without counters, or with too few of them", () => {
    expect(readCounters(answer(bytes(header, name)))).toEqual([]);
    expect(readCounters(answer(bytes(header, name, "1400 1700", counters.slice(0, 32))))).toEqual([]);
  });
});

describeWith("link counters of the kernel", ["root", "native"], () => {
  test("are those of the namespace", async () => {
    const native = builtNative();
    using place = await NetworkNamespace.make();
    const order = newLink({ name: "d0", type: { kind: "bridge" }, up: true });
    accepted(await exchange(native, PROTOCOL.route, place.fd, [order]));
    const counters = await listLinkCounters(native, place.fd);
    expect([...counters.keys()].toSorted()).toEqual(["d0", "lo"]);
    expect(counters.get("lo")?.received).toEqual({ packets: 0n, bytes: 0n, errors: 0n, dropped: 0n });
    expect((await linkCountersOf(native, process.pid))?.has("lo")).toBe(true);
    expect(await linkCountersOf(native, 2 ** 30)).toBeUndefined();
  });
});
