import { expect, test } from "bun:test";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { describeWith } from "../../../test/support/requires.ts";
import type { Table } from "../nftables/ruleset.ts";
import { commit, reconcile } from "../nftables/transaction.ts";
import { PROTOCOL } from "./exchange.ts";
import { KeptSocket } from "./kept-socket.ts";
import { attribute, batch, FLAG, message } from "./message.ts";

const GET_GENERATION = message((10 << 8) | 16, FLAG.ack, new Uint8Array(4), []);
const GET_NO_TABLE = message((10 << 8) | 1, FLAG.ack, new Uint8Array(4), [attribute.string(1, "none")]);

/** For `KeptSocket`, whose namespace is this process's own: here another one is that. */
function within(namespace: NetworkNamespace): ConstructorParameters<typeof KeptSocket>[0] {
  const native = builtNative();
  return { ...native, netlinkSocket: (protocol) => native.netlinkSocket(protocol, namespace.fd) };
}

describeWith("KeptSocket", ["root", "native"], () => {
  test("brings everybody his own answers, also at the same time", async () => {
    using namespace = await NetworkNamespace.make();
    const socket = new KeptSocket(within(namespace), PROTOCOL.netfilter);
    const ask = (first: number): Promise<Uint8Array> =>
      socket.netlink(PROTOCOL.netfilter, undefined, batch([GET_GENERATION, GET_NO_TABLE], first));
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(100 * n + 1)));
    for (const [n, answer] of answers.entries()) {
      const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
      expect(view.getUint32(8, true)).toBe(100 * n + 1);
    }
    socket.close();
    await ask(1); // and opens another one
    socket.close();
  });

  test("serves nftables, and is in the namespace where it was made", async () => {
    using namespace = await NetworkNamespace.make();
    const socket = new KeptSocket(within(namespace), PROTOCOL.netfilter);
    const table: Table = { family: "ip", name: "t", sets: [], chains: [] };
    await commit(socket, undefined, [{ kind: "replace", table }]);
    expect(await reconcile(builtNative(), namespace.fd, table)).toEqual([]);
    await commit(socket, undefined, [{ kind: "remove", family: "ip", name: "t" }]);
    expect(await reconcile(socket, undefined, table)).toEqual(["table"]);
    socket.close();
  });
});
