/** Who reaches containers of networks that are not translated: gateway modes, seen from outside. */
import { beforeAll, expect, test } from "bun:test";
import { probeArchive } from "../../conformance/network/image.ts";
import { HOST, NEIGHBOUR } from "../../conformance/network/neighbour.ts";
import { HOST_SETUP, IMAGE, World } from "../../conformance/network/world.ts";
import { GANTRY } from "../../support/engine.ts";
import { engineSuite } from "../../support/suite.ts";

engineSuite("gateway modes", { host: HOST_SETUP }, (engine) => {
  beforeAll(async () => {
    const ok = (...args: readonly string[]) => engine().ok(args);
    await ok("load", "-q", "-i", await probeArchive());
    // Forwarding and the resolver's loop begin with the first who need them, and stay.
    await ok("network", "create", "--ipv6", "lan-first");
    await ok("run", "--rm", "--network", "lan-first", IMAGE, "true");
    await ok("network", "rm", "lan-first");
  }, 60_000);

  test("routed: published ports by the container's address; unprotected: all; neither by 127.0.0.1", async () => {
    await using world = await World.make({
      cli: [GANTRY, "--host", engine().host],
      hostPid: engine().hostPid,
    });
    const create = async (name: string, number: number, mode: string): Promise<void> => {
      const options = ["4", "6"].map(
        (family) => `com.docker.network.bridge.gateway_mode_ipv${family}=${mode}`,
      );
      const subnets = [`10.81.${number}.0/24`, `fd00:81:${number}::/64`].flatMap((text) => [
        "--subnet",
        text,
      ]);
      await world.network(name, "--ipv6", ...subnets, ...options.flatMap((option) => ["-o", option]));
    };
    await create("lan-routed", 1, "routed");
    await create("lan-open", 2, "nat-unprotected");
    await create("lan-nat", 3, "nat");
    const container = (name: string, network: string, number: number, ...flags: readonly string[]) =>
      world.container(
        name,
        "--network",
        network,
        "--ip",
        `10.81.${number}.10`,
        "--ip6",
        `fd00:81:${number}::10`,
        ...flags,
      );
    await Promise.all([
      container("lan-r", "lan-routed", 1, "-p", "8080:80"),
      container("lan-o", "lan-open", 2, "-p", "8081:80", "-p", "127.0.0.1:8082:80"),
      container("lan-n", "lan-nat", 3, "-p", "8083:80"),
    ]);
    await world.serve("neighbour", "who-server.ts", "7000");
    const rows: readonly (readonly [from: string, address: string, port: number, seen: string])[] = [
      ["neighbour", "10.81.1.10", 80, NEIGHBOUR.ipv4],
      ["neighbour", "fd00:81:1::10", 80, NEIGHBOUR.ipv6],
      ["neighbour", "10.81.1.10", 81, "no answer"],
      ["neighbour", "fd00:81:1::10", 81, "no answer"],
      ["neighbour", HOST.ipv4, 8080, "refused"],
      ["lan-n", "10.81.1.10", 80, "10.81.1.1"],
      ["lan-n", "10.81.1.10", 81, "no answer"],
      ["lan-r", NEIGHBOUR.ipv4, 7000, "10.81.1.10"],
      ["lan-r", NEIGHBOUR.ipv6, 7000, "fd00:81:1::10"],
      ["neighbour", "10.81.2.10", 80, NEIGHBOUR.ipv4],
      ["neighbour", "10.81.2.10", 82, NEIGHBOUR.ipv4],
      ["neighbour", "fd00:81:2::10", 82, NEIGHBOUR.ipv6],
      ["neighbour", HOST.ipv4, 8081, NEIGHBOUR.ipv4],
      ["neighbour", HOST.ipv4, 8082, "refused"],
      ["neighbour", "127.0.0.1", 8082, "no answer"],
      ["lan-o", NEIGHBOUR.ipv4, 7000, HOST.ipv4],
      ["neighbour", "10.81.3.10", 80, "no answer"],
      ["neighbour", HOST.ipv4, 8083, NEIGHBOUR.ipv4],
      ["neighbour", HOST.ipv6, 8083, NEIGHBOUR.ipv6],
    ];
    const seen = await Promise.all(
      rows.map(async ([from, address, port]) => [
        from,
        address,
        port,
        await world.ask({ from, address, port }),
      ]),
    );
    expect(seen).toEqual(rows.map((row) => [...row]));
    // Open, at no port of the host.
    expect(await world.ok("port", "lan-r")).toBe("80/tcp -> 0.0.0.0:\n80/tcp -> [::]:");
  }, 60_000);
});
