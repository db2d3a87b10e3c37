import { expect, test } from "bun:test";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { networkNames, type NameView } from "./dns/name-view.ts";
import { DnsServer } from "./dns/server.ts";
import { BridgeDriver } from "./drivers/bridge.ts";
import { type SandboxTask, Sandboxes } from "./sandbox.ts";
import { endpointRecord, networkRecord } from "./testing/records.ts";

const WAYS = { ipv4: true, ipv6: false };

/** A shim's part of it: copies that outlive the daemon's. */
class Task implements SandboxTask {
  readonly id = "c1";
  readonly pid: number;
  readonly kept = new Map<string, number>();
  readonly #native = builtNative();

  constructor(pid: number) {
    this.pid = pid;
  }

  async keep(name: string, descriptor: number): Promise<void> {
    const self = this.#native.pidfdOpen(process.pid);
    this.kept.set(name, this.#native.pidfdGetfd(self, descriptor));
    this.#native.closeFd(self);
  }
}

function view(): NameView {
  const web = { name: "web", aliases: [], v4: [Uint8Array.of(10, 9, 0, 3)], v6: [] };
  return {
    networks: [networkNames("net", [web])],
    hosts: new Map(),
    links: new Map(),
    upstreams: [],
    hasWayOut: false,
    hasOwnNdots: false,
  };
}

function openSandboxes(host: number): { readonly sandboxes: Sandboxes; readonly names: DnsServer } {
  const native = builtNative();
  const [driver, names] = [new BridgeDriver(native, host), new DnsServer({ native })];
  return { sandboxes: new Sandboxes({ native, driverOf: () => driver, names }), names };
}

describeWith("a sandbox", ["root", "native"], () => {
  const lookUp = (place: NetworkNamespace): Promise<string> =>
    place.run("busybox", "nslookup", "-type=a", "web", "127.0.0.11");

  test("has its links and asks for names, also when the next daemon answers", async () => {
    using host = await NetworkNamespace.make();
    using place = await NetworkNamespace.make();
    await place.run("ip", "link", "set", "lo", "up");
    const task = new Task(place.pid);
    const first = openSandboxes(host.fd);
    const member = { network: networkRecord("bridge"), endpoint: endpointRecord(2), ways: WAYS };
    await first.sandboxes.furnish(task, [member], view);
    expect(await place.run("ip", "route")).toContain("default via 10.9.0.1 dev eth0");
    expect(await lookUp(place)).toContain("10.9.0.3");
    expect([...task.kept.keys()]).toEqual(["dns-udp", "dns-tcp"]);
    // Programs of the container may have port 53 to themselves.
    expect(await place.run("ss", "-lunH")).not.toContain(":53 ");

    first.names.close();
    const asked = lookUp(place);
    await Bun.sleep(100);
    const next = openSandboxes(host.fd);
    expect(next.sandboxes.adopt("c1", task.kept, view)).toBe(true);
    expect(await asked).toContain("10.9.0.3");

    // Back in a network with names it has the server that it had.
    const sockets = new Map(task.kept);
    await next.sandboxes.serveNames(task, view);
    expect(task.kept).toEqual(sockets);
    expect(await lookUp(place)).toContain("10.9.0.3");

    await next.sandboxes.disconnect(task, member);
    expect(await place.run("ip", "-br", "link", "show", "eth0")).toContain("does not exist");
    await next.sandboxes.connect(task, member);
    expect(await place.run("ip", "route")).toContain("default via 10.9.0.1 dev eth0");
    next.sandboxes.forget("c1");
  });

  test("is mended: what is whole stays, what is half made or gone is made, what is nobody's goes", async () => {
    using host = await NetworkNamespace.make();
    using place = await NetworkNamespace.make();
    await place.run("ip", "link", "set", "lo", "up");
    const { sandboxes, names } = openSandboxes(host.fd);
    const network = networkRecord("bridge");
    const members = [2, 3, 4].map((number) => {
      const interfaceName = `eth${number - 2}`;
      return {
        network,
        endpoint: { ...endpointRecord(number), interfaceName, linkLocalIps: [] },
        ways: WAYS,
      };
    });
    const [whole, half, gone] = members;
    if (whole === undefined || half === undefined || gone === undefined) throw new Error("no members");
    const task = new Task(place.pid);
    await sandboxes.furnish(task, [whole, { ...half, ways: { ipv4: false, ipv6: false } }], undefined);
    const index = await place.run("cat", "/sys/class/net/eth0/ifindex");
    await place.run("ip", "addr", "flush", "dev", "eth1");
    // Of an endpoint that is no more, and one that the container has made itself.
    await place.run("ip", "link", "add", "other", "type", "bridge");
    await place.run("ip", "link", "set", "other", "alias", "gantry:c1:e9");
    await place.run("ip", "link", "add", "own", "type", "bridge");
    for (let round = 0; round < 2; round++) {
      await sandboxes.mend(task, members);
      await sandboxes.reroute(task, members.slice(0, 1));
      expect(await place.run("cat", "/sys/class/net/eth0/ifindex")).toBe(index);
      expect(await place.run("ip", "-br", "-4", "addr")).toMatch(
        /eth0@\S+ +UP +10\.9\.0\.2\/24[^]*eth1@\S+ +UP +10\.9\.0\.3\/24[^]*eth2@\S+ +UP +10\.9\.0\.4\/24/,
      );
      expect(await place.run("ip", "-br", "link")).toMatch(/^own/m);
      expect(await place.run("ip", "-br", "link")).not.toMatch(/^other/m);
      expect(await place.run("ip", "route", "show", "default")).toBe("default via 10.9.0.1 dev eth0 \n");
    }
    names.close();
  });

  test("without names has no sockets; what is kept in part is not adopted", async () => {
    using host = await NetworkNamespace.make();
    using place = await NetworkNamespace.make();
    const native = builtNative();
    const { sandboxes, names } = openSandboxes(host.fd);
    await sandboxes.furnish(new Task(place.pid), [], undefined);
    expect(await place.run("ss", "-lunH")).toBe("");
    const half = native.memfd("half", Buffer.from("x"));
    expect(sandboxes.adopt("c1", new Map([["dns-udp", half]]), view)).toBe(false);
    expect(() => native.closeFd(half)).toThrow("EBADF");
    names.close();
  });

  test("of a process that is gone is an error", async () => {
    using host = await NetworkNamespace.make();
    const { sandboxes } = openSandboxes(host.fd);
    const gone = await sandboxes.furnish(new Task(2 ** 22 - 1), [], view).catch((error: unknown) => error);
    expect(gone).toMatchObject({ code: "ENOENT" });
  });
});
