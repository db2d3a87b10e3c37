/** The contract of drivers, for every one of them: on a host of its own, with containers beside it. */
import { expect, test } from "bun:test";
import { isCategory } from "../../../base/errors.ts";
import { builtNative } from "../../../../test/support/native.ts";
import { NetworkNamespace } from "../../../../test/support/network-namespace.ts";
import { describeWith, type Requirement } from "../../../../test/support/requires.ts";
import { listLinks } from "../../../linux/netlink/link-listing.ts";
import type { EndpointRecord } from "../endpoint-record.ts";
import type { NetworkRecord } from "../network-record.ts";
import { endpointRecord } from "../testing/records.ts";
import type { Driver } from "./driver.ts";
import { interiorOf } from "./interior.ts";

export interface DriverCase {
  readonly title: string;
  readonly needs: readonly Requirement[];
  readonly network: NetworkRecord;
  /** As often as a daemon starts. `host`: the namespace where its links are. */
  readonly open: (host: number) => Driver;
  /** What is to be on the host first. */
  readonly prepare?: (host: NetworkNamespace) => Promise<void>;
  /** Links of containers have their parents' addresses. */
  readonly sharesMac?: boolean;
  /** Where packets for elsewhere go, in `ip route`. */
  readonly route: string;
}

export const WAYS = { ipv4: true, ipv6: true };

/** The host with a driver, and two containers. */
export class DriverLab implements Disposable {
  readonly host: NetworkNamespace;
  readonly a: NetworkNamespace;
  readonly b: NetworkNamespace;

  private constructor(host: NetworkNamespace, a: NetworkNamespace, b: NetworkNamespace) {
    this.host = host;
    this.a = a;
    this.b = b;
  }

  static async make(prepare?: (host: NetworkNamespace) => Promise<void>): Promise<DriverLab> {
    const [host, a, b] = [
      await NetworkNamespace.make(),
      await NetworkNamespace.make(),
      await NetworkNamespace.make(),
    ];
    const lab = new DriverLab(host, a, b);
    await prepare?.(host);
    return lab;
  }

  async hostLinks(): Promise<readonly string[]> {
    return (await listLinks(builtNative(), this.host.fd)).map(({ name }) => name).sort();
  }

  [Symbol.dispose](): void {
    for (const namespace of [this.host, this.a, this.b]) namespace[Symbol.dispose]();
  }
}

export async function pings(from: NetworkNamespace, address: string): Promise<boolean> {
  return !(await from.run("busybox", "ping", "-c", "1", "-W", "2", address)).includes("exit ");
}

/** A pair of links that are up: the host's "wire", whose other end "far" is on the same host. */
export async function makeWire(host: NetworkNamespace): Promise<void> {
  await host.run("ip", "link", "add", "wire", "type", "veth", "peer", "name", "far");
  for (const end of ["wire", "far"]) await host.run("ip", "link", "set", end, "up");
}

/** No two of them have an address in common: ipvlan would not have it. */
function member(number: number): EndpointRecord {
  return { ...endpointRecord(number), linkLocalIps: [`169.254.7.${number}`] };
}

const [ONE, TWO] = [member(2), member(3)];

export function driverSuite({ title, needs, network, open, prepare, ...its }: DriverCase): void {
  const join = (driver: Driver, endpoint: EndpointRecord, place: NetworkNamespace): Promise<void> =>
    driver.attach(network, endpoint, place.fd, interiorOf(endpoint, WAYS));
  const linkIn = (place: NetworkNamespace): Promise<string> => place.run("ip", "-br", "link", "show", "eth0");

  describeWith(title, ["root", "native", ...needs], () => {
    test("what is raised, however often, is lowered without a trace, however often", async () => {
      using lab = await DriverLab.make(prepare);
      const before = await lab.hostLinks();
      const driver = open(lab.host.fd);
      await driver.lower(network);
      await driver.raise(network);
      const raised = await lab.hostLinks();
      await driver.raise(network);
      // The next daemon's.
      await open(lab.host.fd).raise(network);
      expect(await lab.hostLinks()).toEqual(raised);
      await open(lab.host.fd).lower(network);
      await driver.lower(network);
      expect(await lab.hostLinks()).toEqual(before);
    });

    test("an endpoint is a link that is up, with addresses and routes, and reaches its neighbours", async () => {
      using lab = await DriverLab.make(prepare);
      const driver = open(lab.host.fd);
      await driver.raise(network);
      await join(driver, ONE, lab.a);
      await join(driver, TWO, lab.b);
      expect(await lab.a.run("ip", "-br", "addr", "show", "eth0")).toMatch(
        /10\.9\.0\.2\/24 169\.254\.7\.2\/16 fd00:9::2\/64/,
      );
      expect(await lab.a.run("ip", "link", "show", "eth0")).toMatch(/<[^>]*\bUP\b/);
      if (its.sharesMac !== true)
        expect(await lab.a.run("ip", "link", "show", "eth0")).toContain("link/ether 02:42:0a:09:00:02");
      expect(await lab.a.run("ip", "route")).toContain(its.route);
      expect([await pings(lab.a, "10.9.0.3"), await pings(lab.b, "fd00:9::2")]).toEqual([true, true]);
    });

    test("one is taken away, by whatever daemon, and others stay", async () => {
      using lab = await DriverLab.make(prepare);
      using c = await NetworkNamespace.make();
      const driver = open(lab.host.fd);
      await driver.raise(network);
      const raised = await lab.hostLinks();
      const third = member(4);
      for (const [endpoint, place] of [
        [ONE, lab.a],
        [TWO, lab.b],
        [third, c],
      ] as const)
        await join(driver, endpoint, place);
      await open(lab.host.fd).detach(network, ONE, lab.a.fd);
      await driver.detach(network, ONE, lab.a.fd);
      expect(await linkIn(lab.a)).toContain("does not exist");
      expect([await pings(lab.b, "10.9.0.2"), await pings(lab.b, "10.9.0.4")]).toEqual([false, true]);
      for (const [endpoint, place] of [
        [TWO, lab.b],
        [third, c],
      ] as const)
        await driver.detach(network, endpoint, place.fd);
      expect(await lab.hostLinks()).toEqual(raised);
    });

    test("what an earlier attempt has left is made anew, by whatever daemon", async () => {
      using lab = await DriverLab.make(prepare);
      await open(lab.host.fd).raise(network);
      await join(open(lab.host.fd), ONE, lab.a);
      await lab.a.run("ip", "addr", "flush", "dev", "eth0");
      await join(open(lab.host.fd), ONE, lab.a);
      await join(open(lab.host.fd), TWO, lab.b);
      expect(await pings(lab.a, "10.9.0.3")).toBe(true);
    });

    test("a link that the container has made itself is a conflict, and stays; nothing else is left", async () => {
      using lab = await DriverLab.make(prepare);
      const driver = open(lab.host.fd);
      await driver.raise(network);
      const before = await lab.hostLinks();
      await lab.a.run("ip", "link", "add", "eth0", "type", "bridge");
      const refused: unknown = await join(driver, ONE, lab.a).catch((error: unknown) => error);
      expect([isCategory(refused, "conflict"), String(refused)]).toEqual([
        true,
        expect.stringContaining("eth0"),
      ]);
      expect(await lab.a.run("ip", "-d", "link", "show", "eth0")).toContain("bridge forward_delay");
      expect(await lab.hostLinks()).toEqual(before);
      await join(driver, TWO, lab.b);
    });

    test("a link goes with its container", async () => {
      using lab = await DriverLab.make(prepare);
      const driver = open(lab.host.fd);
      await driver.raise(network);
      const before = await lab.hostLinks();
      await join(driver, TWO, lab.b);
      const gone = await NetworkNamespace.make();
      await join(driver, ONE, gone);
      gone[Symbol.dispose]();
      await driver.detach(network, TWO, lab.b.fd);
      for (let look = 0; (await lab.hostLinks()).length > before.length; look++) {
        if (look > 500) throw new Error(`left: ${(await lab.hostLinks()).join(" ")}`);
        await Bun.sleep(10);
      }
      // The address can be another's at once.
      await join(driver, { ...TWO, ipv4: ONE.ipv4, macAddress: ONE.macAddress }, lab.b);
    });
  });
}
