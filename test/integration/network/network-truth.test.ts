/**
 * The campaign of kills.test.ts is worth what its checks are. What facts mean is tested beside `network-violations.ts`; here each kind
 * of fact is seen to be gathered, by harm that is done on purpose.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { networkFacts } from "../../chaos/network-facts.ts";
import { unreachable } from "../../chaos/network-reach.ts";
import { violationsIn } from "../../chaos/network-violations.ts";
import { startNetworkWorld } from "../../chaos/networks.ts";
import type { Engine } from "../../support/engine.ts";
import type { Inventory } from "../../support/leak-check.ts";
import { ownInventory } from "../../support/own-inventory.ts";
import { describeWith } from "../../support/requires.ts";
import { must } from "../../support/run.ts";

describeWith("what a kill may not leave of networks", ["root", "busybox", "native", "nft"], () => {
  let engine: Engine;
  let before: Inventory;
  const pids = new Map<string, string>();

  beforeAll(async () => {
    engine = await startNetworkWorld();
    before = ownInventory(engine);
    await engine.ok(["network", "create", "n0"]);
    for (const name of ["one", "two"]) {
      const serve = ["sh", "-c", "mkdir /w; hostname >/w/index.html; exec httpd -f -p 80 -h /w"];
      const ports = name === "one" ? ["-p", "18000:80"] : [];
      await engine.ok(["run", "-d", "--name", name, "--network", "n0", ...ports, "busybox", ...serve]);
      pids.set(name, await engine.ok(["inspect", "-f", "{{.State.Pid}}", name]));
    }
  }, 60_000);

  afterAll(async () => {
    await engine.close();
  }, 60_000);

  const host = async (script: string): Promise<unknown> => must(await engine.inHost(["sh", "-c", script]));
  const inside = (name: string, script: string): Promise<unknown> =>
    must(["nsenter", `--net=/proc/${pids.get(name) ?? ""}/ns/net`, "sh", "-c", script]);

  async function found(): Promise<string> {
    const facts = await networkFacts(engine, before);
    return [...violationsIn(facts), ...(await unreachable(engine, facts))].join("\n");
  }

  test("is nothing when nobody did harm", async () => {
    expect(await found()).toBe("");
  }, 20_000);

  test("is a link of the host, and one that is gone", async () => {
    await host(
      "ip link add gv000000000000 type bridge; ip link add other type bridge; ip link set other alias gantry:x",
    );
    const [wrong] = [await found(), await host("ip link del gv000000000000; ip link del other")];
    expect(wrong).toMatch(/link gv000000000000 [^]*link other \("gantry:x"\)/);
    await host("ip link set gantry0 down");
    const [down] = [await found(), await host("ip link set gantry0 up")];
    expect(down).toContain("link gantry0 of the host is down");
  }, 20_000);

  test("is an address, a route, and a line of the hosts file", async () => {
    await inside("two", "ip addr add 10.99.0.1/24 dev eth0; ip route del default");
    const wrong = await found();
    await inside("two", "ip addr del 10.99.0.1/24 dev eth0; ip route add default via 172.18.0.1");
    expect(wrong).toMatch(/two: the link for n0 has .*10\.99\.0\.1\/24[^]*two: its default routes are ""/);
    await engine.ok(["exec", "two", "sh", "-c", "cp /etc/hosts /old; echo >/etc/hosts"]);
    const hosts = await found();
    await engine.ok(["exec", "two", "sh", "-c", "cat /old >/etc/hosts"]);
    expect(hosts).toContain("two: its hosts file");
    expect(await found()).toBe("");
  }, 20_000);

  test("is a rule, which asking puts right", async () => {
    await host("nft flush chain inet gantry ours");
    expect(await found()).toContain(`the firewall's chain "ours"`);
    expect(await found()).toBe("");
  }, 20_000);

  test("is a namespace of nobody", async () => {
    const lost = Bun.spawn([
      "nsenter",
      `--net=/proc/${engine.pid}/ns/net`,
      "sh",
      "-c",
      `cd ${engine.dir}/log; exec unshare --net sleep 100`,
    ]);
    try {
      await Bun.sleep(300);
      expect(await found()).toMatch(/network namespace net:\[\d+\] is of no running container/);
    } finally {
      lost.kill("SIGKILL");
    }
    await Bun.sleep(100);
  }, 20_000);

  test("is a name that is not found, a port that leads nowhere, and one that is not free", async () => {
    await inside("two", "nft flush chain ip gantry-dns output");
    expect(await found()).toMatch(/the name one as two asks for it: "" instead of "172\.18\.0\.2"/);
    await inside(
      "one",
      "nft add table ip x; nft 'add chain ip x y { type filter hook input priority 0; policy drop; }'",
    );
    const port = await found();
    await inside("one", "nft delete table ip x");
    expect(port).toMatch(/one at its port 192\.0\.2\.1 18000 of the host: "failed/);
    const taken = Bun.spawn(await engine.inHost(["busybox", "nc", "-l", "-p", "18001"]), { stdin: "pipe" });
    try {
      await Bun.sleep(300);
      expect(await found()).toContain('port 18001/tcp of the host: "taken" instead of "free"');
    } finally {
      taken.kill("SIGKILL");
    }
  }, 30_000);
});
