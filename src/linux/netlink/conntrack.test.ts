import { endianness } from "node:os";
import { describe, expect, test } from "bun:test";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { forgetFlows, flowsQuestion } from "./conntrack.ts";
import { accepted, exchange, listing, PROTOCOL } from "./exchange.ts";
import { attribute, FLAG, message, type Message, struct } from "./message.ts";

const ip = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);
const PUBLISHED = ip(192, 0, 2, 1);
const CONTAINER = ip(172, 17, 0, 2);
const CLIENT = ip(198, 51, 100, 7);

test.skipIf(endianness() === "BE")("flowsQuestion() says which parts of a flow count", () => {
  const question = flowsQuestion({
    family: "ipv4",
    protocol: "udp",
    originalDestination: { address: PUBLISHED, port: 53 },
  });
  expect(Buffer.from(question.bytes).toString("hex")).toBe(
    [
      "44000000 0101 0103 00000000 00000000",
      "02 00 0000",
      "2400 0180",
      "0c00 0180 0800 0200 c0000201", // the address
      "1400 0280 0500 0100 11 000000 0600 0300 0035 0000", // 17, the port
      "0c00 1980", // CTA_FILTER
      "0800 0100 2a000000", // address 2, protocol 8, port 32, of the original direction
    ]
      .join("")
      .replaceAll(" ", ""),
  );
});

describe("flowsQuestion()", () => {
  test("refuses addresses of the other family", () => {
    expect(() => flowsQuestion({ family: "ipv6", replySource: { address: CLIENT } })).toThrow("4 bytes");
  });
});

describeWith("forgetFlows()", ["root", "native"], () => {
  const native = builtNative();

  /** A connection as it is when rules have led it from a published address to a container. */
  function flow(protocol: number, clientPort: number, port: number, container = CONTAINER): Message {
    const tuple = (type: number, from: Uint8Array, to: Uint8Array, source: number, destination: number) =>
      attribute.nested(type, [
        attribute.nested(1, [attribute.bytes(1, from), attribute.bytes(2, to)]),
        attribute.nested(2, [
          attribute.u8(1, protocol),
          attribute.be16(2, source),
          attribute.be16(3, destination),
        ]),
      ]);
    const timeout = attribute.be32(7, 600);
    const state = attribute.nested(4, [attribute.nested(1, [attribute.u8(1, 3)])]); // of TCP: established
    return message(0x100, FLAG.ack | FLAG.create | FLAG.exclusive, struct([1, 2], [1, 0], [2, 0]), [
      tuple(1, CLIENT, PUBLISHED, clientPort, port),
      tuple(2, container, CLIENT, port + 4947, clientPort),
      timeout,
      protocol === 6 ? state : undefined,
    ]);
  }
  const all = async ({ fd }: NetworkNamespace) =>
    (await listing(native, PROTOCOL.netfilter, fd, message(0x101, FLAG.dump, struct([4, 2]), []))).length;
  async function withFlows(work: (namespace: NetworkNamespace) => Promise<void>): Promise<void> {
    using namespace = await NetworkNamespace.make();
    const flows = [
      flow(17, 1000, 53),
      flow(17, 1001, 53),
      flow(17, 1000, 54),
      flow(6, 1000, 53),
      flow(17, 1002, 53, ip(172, 17, 0, 3)),
    ];
    accepted(await exchange(native, PROTOCOL.netfilter, namespace.fd, flows));
    expect(await all(namespace)).toBe(5);
    await work(namespace);
  }

  test("forgets by published address, port and protocol", () =>
    withFlows(async (namespace) => {
      const originalDestination = { address: PUBLISHED, port: 53 };
      const match = { family: "ipv4", protocol: "udp", originalDestination } as const;
      expect(await forgetFlows(native, namespace.fd, match)).toBe(3);
      expect(await forgetFlows(native, namespace.fd, match)).toBe(0);
      expect(await all(namespace)).toBe(2);
    }));

  test("forgets by container, of all protocols or one", () =>
    withFlows(async (namespace) => {
      const replySource = { address: CONTAINER };
      expect(await forgetFlows(native, namespace.fd, { family: "ipv4", protocol: "udp", replySource })).toBe(
        3,
      );
      expect(await forgetFlows(native, namespace.fd, { family: "ipv4", replySource })).toBe(1);
      expect(await forgetFlows(native, namespace.fd, { family: "ipv6" })).toBe(0);
      expect(await all(namespace)).toBe(1);
    }));

  test("matches itself what a kernel without filters lists", () =>
    withFlows(async (namespace) => {
      const unfiltered: Parameters<typeof forgetFlows>[0] = {
        netlink: (protocol, fd, bytes) => {
          const [first = 0] = bytes.subarray(4, 5);
          const question = message(0x101, FLAG.dump, struct([4, 2]), []).bytes.slice();
          question[8] = 1;
          return native.netlink(protocol, fd, first === 1 ? question : bytes);
        },
      };
      const originalDestination = { port: 53 };
      const match = { family: "ipv4", protocol: "udp", originalDestination } as const;
      const replySource = { address: CONTAINER, port: 5000 };
      expect(await forgetFlows(unfiltered, namespace.fd, { ...match, replySource })).toBe(2);
      expect(await all(namespace)).toBe(3);
    }));

  test("asks the kernel for no more than what matches", () =>
    withFlows(async ({ fd }) => {
      const question = flowsQuestion({
        family: "ipv4",
        protocol: "udp",
        replySource: { address: ip(172, 17, 0, 3) },
      });
      expect(await listing(native, PROTOCOL.netfilter, fd, question)).toHaveLength(1);
    }));
});
