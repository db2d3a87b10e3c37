/** Containers on the wire of an interface of the host: macvlan and ipvlan networks, with a neighbour on that wire. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { NetworkNamespace } from "../../support/network-namespace.ts";
import { describeWith } from "../../support/requires.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { SLOWNESS, until } from "../../support/until.ts";

/** The neighbour is the way out, too. */
const NEIGHBOUR = { ipv4: "10.77.0.200", ipv6: "fd00:77::200" } as const;
const SUBNETS = ["--subnet", "10.77.0.0/24", "--gateway", NEIGHBOUR.ipv4];
const WITH_IPV6 = [...SUBNETS, "--ipv6", "--subnet", "fd00:77::/64", "--gateway", NEIGHBOUR.ipv6];
const SERVE = ["busybox", "sh", "-c", "mkdir /w; hostname >/w/index.html; exec httpd -f -p 80 -h /w"];

engineSuite(
  "networks below an interface of the host",
  { needs: ["macvlan"], host: "ip link add wire type veth peer name far; ip link set wire up" },
  (engine) => {
    let neighbour: NetworkNamespace;

    beforeAll(async () => {
      // What the daemon makes for the first question for a name, it keeps.
      await ok("network", "create", "first");
      await ok("run", "--rm", "--name", "first", "--network", "first", "busybox", "nslookup", "first");
      await ok("network", "rm", "first");
      neighbour = await NetworkNamespace.make();
      await inHost("ip", "link", "set", "far", "netns", `${neighbour.pid}`);
      await neighbour.run(
        "sh",
        "-c",
        `set -e; ip addr add ${NEIGHBOUR.ipv4}/24 dev far; ip addr add ${NEIGHBOUR.ipv6}/64 dev far nodad; ip link set far up`,
      );
    });

    afterAll(() => {
      neighbour[Symbol.dispose]();
    });

    const ok = (...words: string[]): Promise<string> => engine().ok(words);
    const inHost = async (...command: string[]): Promise<string> =>
      (await must(await engine().inHost(command))).trim();
    const linksOfHost = (): Promise<string> => inHost("ip", "-br", "link");
    const macOfParent = async (): Promise<string> =>
      /^wire\S* +\S+ +(\S+)/m.exec(await linksOfHost())?.[1] ?? "none";

    /** The network and everybody on it are gone in the end. */
    async function onNetwork(words: readonly string[], work: () => Promise<void>): Promise<void> {
      // Containers of the next test have addresses of those of the last one, and not always their hardware addresses.
      await neighbour.run("ip", "neigh", "flush", "dev", "far");
      await ok("network", "create", ...words, "net");
      try {
        await work();
      } finally {
        const containers = (await ok("ps", "-aq")).split("\n").filter((id) => id !== "");
        if (containers.length > 0) await ok("rm", "-f", ...containers);
        await ok("network", "rm", "net");
      }
    }

    const start = (name: string, ...flags: string[]): Promise<string> =>
      ok("run", "-d", "--name", name, "--hostname", name, "--network", "net", ...flags, ...SERVE);
    const addressOf = (name: string, field = "IPAddress"): Promise<string> =>
      ok("inspect", "-f", `{{(index .NetworkSettings.Networks "net").${field}}}`, name);

    /** Whether one container reaches another, or an address. */
    async function reaches(from: string, to: string): Promise<boolean> {
      const ping = to.includes(":") ? "ping6" : "ping";
      const wait = `${2 * SLOWNESS}`;
      return (await engine().gantry(["exec", from, ping, "-c", "1", "-W", wait, to])).code === 0;
    }

    async function neighbourReaches(address: string): Promise<boolean> {
      const ping = address.includes(":") ? "ping6" : "ping";
      const wait = `${2 * SLOWNESS}`;
      return !/exit \d+$/.test(await neighbour.run("busybox", ping, "-c", "1", "-W", wait, address));
    }

    /** What a container serves, as soon as it does. */
    async function page(host: string): Promise<string> {
      const get = [
        "busybox",
        "timeout",
        `${2 * SLOWNESS}`,
        "busybox",
        "wget",
        "-q",
        "-O",
        "-",
        `http://${host}/`,
      ];
      let text = "";
      for (let attempt = 0; attempt < 20; attempt++) {
        text = await neighbour.run(...get);
        if (!/exit \S+$/.test(text)) break;
        await Bun.sleep(50);
      }
      return text;
    }

    describe("macvlan", () => {
      test("bridge: containers, neighbours and names, with both versions of IP", async () => {
        await onNetwork(["-d", "macvlan", "-o", "parent=wire", ...WITH_IPV6], async () => {
          await start("one");
          await start("two", "--network-alias", "second");
          const two = await addressOf("two");
          const two6 = await addressOf("two", "GlobalIPv6Address");
          expect([await reaches("one", two), await reaches("one", two6)]).toEqual([true, true]);
          expect([await reaches("one", "two"), await reaches("one", "second")]).toEqual([true, true]);
          expect([await reaches("one", NEIGHBOUR.ipv4), await reaches("one", NEIGHBOUR.ipv6)]).toEqual([
            true,
            true,
          ]);
          expect([await page(two), await page(`[${two6}]`)]).toEqual(["two\n", "two\n"]);
          // With a hardware address of its own on the wire.
          expect(await neighbour.run("ip", "neigh", "show", two)).toContain(
            await addressOf("two", "MacAddress"),
          );
          expect(await ok("exec", "one", "ip", "route")).toContain(`default via ${NEIGHBOUR.ipv4} dev eth0`);
          // Nothing of it is on the host.
          expect(await linksOfHost()).not.toMatch(/^gv/m);
        });
        expect(await linksOfHost()).toContain("wire");
      });

      test("private: neighbours on the wire, and not each other", async () => {
        await onNetwork(
          ["-d", "macvlan", "-o", "parent=wire", "-o", "macvlan_mode=private", ...SUBNETS],
          async () => {
            await start("one");
            await start("two");
            const two = await addressOf("two");
            expect([await reaches("one", two), await reaches("one", NEIGHBOUR.ipv4)]).toEqual([false, true]);
            expect(await page(two)).toBe("two\n");
          },
        );
      });

      test("vepa: each other by way of a switch that sends back", async () => {
        await onNetwork(
          ["-d", "macvlan", "-o", "parent=wire", "-o", "macvlan_mode=vepa", ...SUBNETS],
          async () => {
            await start("one");
            await start("two");
            const two = await addressOf("two");
            expect([await reaches("one", two), await reaches("one", NEIGHBOUR.ipv4)]).toEqual([false, true]);
            await neighbour.run(
              "sh",
              "-c",
              "ip link add switch type bridge; ip link set switch up; ip link set far master switch; ip link set far type bridge_slave hairpin on",
            );
            try {
              await until("the switch to send back", () => reaches("one", two));
            } finally {
              await neighbour.run("ip", "link", "del", "switch");
            }
          },
        );
      });

      test("passthru: one container has the interface for itself", async () => {
        await onNetwork(
          ["-d", "macvlan", "-o", "parent=wire", "-o", "macvlan_mode=passthru", ...SUBNETS],
          async () => {
            await start("one");
            expect(await page(await addressOf("one"))).toBe("one\n");
            const second = await engine().gantry(["run", "-d", "--network", "net", ...SERVE]);
            expect(second.code).not.toBe(0);
            expect(second.stderr).toContain("macvlan");
            const other = await engine().gantry([
              "network",
              "create",
              "-d",
              "macvlan",
              "-o",
              "parent=wire",
              "other",
            ]);
            expect(other.stderr).toContain("passthru");
            expect(await page(await addressOf("one"))).toBe("one\n");
          },
        );
      });

      test("a running container is connected and disconnected", async () => {
        await onNetwork(["-d", "macvlan", "-o", "parent=wire", ...SUBNETS], async () => {
          await ok("run", "-d", "--name", "one", "--network", "bridge", ...SERVE);
          await start("two");
          await ok("network", "connect", "--ip", "10.77.0.50", "net", "one");
          expect([await reaches("one", "two"), await neighbourReaches("10.77.0.50")]).toEqual([true, true]);
          expect(await ok("exec", "one", "cat", "/etc/hosts")).toContain("10.77.0.50");
          await ok("network", "disconnect", "net", "one");
          expect(await neighbourReaches("10.77.0.50")).toBe(false);
          expect(await ok("exec", "one", "ip", "link")).not.toContain("eth1");
        });
      });

      test("all goes on when the daemon is killed, and is known to the next one", async () => {
        await onNetwork(["-d", "macvlan", "-o", "parent=wire", ...SUBNETS], async () => {
          await start("one");
          await start("two");
          await engine().kill9();
          expect(await page("10.77.0.1")).toBe("one\n");
          await engine().launch();
          expect([await reaches("one", "two"), await page(await addressOf("two"))]).toEqual([true, "two\n"]);
          await start("three");
          expect([await addressOf("three"), await reaches("one", "three")]).toEqual(["10.77.0.3", true]);
          await ok("network", "disconnect", "net", "two");
          expect(await reaches("one", "10.77.0.2")).toBe(false);
        });
      });

      test("a parent that is not there is said so", async () => {
        const made = await engine().gantry([
          "network",
          "create",
          "-d",
          "macvlan",
          "-o",
          "parent=none.7",
          "net",
        ]);
        expect([made.code, made.stderr]).toEqual([1, expect.stringContaining("none")]);
        expect(await ok("network", "ls", "-q", "-f", "name=net")).toBe("");
      });
    });

    describeWith("macvlan without a parent", ["dummy links"], () => {
      test("internal: each other, and nobody else", async () => {
        await onNetwork(["-d", "macvlan", "--internal", ...SUBNETS], async () => {
          await start("one");
          await start("two");
          expect([await reaches("one", "two"), await reaches("one", NEIGHBOUR.ipv4)]).toEqual([true, false]);
          expect(await ok("exec", "one", "ip", "route")).not.toContain("default");
          expect(await linksOfHost()).toMatch(/^dm-[0-9a-f]{12}/m);
          await engine().kill9();
          await engine().launch();
          expect(await reaches("one", "two")).toBe(true);
        });
        expect(await linksOfHost()).not.toMatch(/^dm-/m);
      });
    });

    describeWith("macvlan on a VLAN", ["vlan"], () => {
      test("its interface is made, and goes with the network", async () => {
        await onNetwork(["-d", "macvlan", "-o", "parent=wire.7", ...SUBNETS], async () => {
          await start("one");
          const one = await addressOf("one");
          expect([await linksOfHost(), await neighbourReaches(one)]).toEqual([
            expect.stringContaining("wire.7@wire"),
            false,
          ]);
          await neighbour.run(
            "sh",
            "-c",
            `ip addr del ${NEIGHBOUR.ipv4}/24 dev far; ip link add link far name far.7 type vlan id 7; ip addr add ${NEIGHBOUR.ipv4}/24 dev far.7; ip link set far.7 up`,
          );
          try {
            expect(await page(one)).toBe("one\n");
            await engine().kill9();
            await engine().launch();
            expect(await page(one)).toBe("one\n");
          } finally {
            await neighbour.run("sh", "-c", `ip link del far.7; ip addr add ${NEIGHBOUR.ipv4}/24 dev far`);
          }
        });
        expect(await linksOfHost()).not.toContain("wire.7");
      });

      test("one that was there before stays", async () => {
        await inHost("sh", "-c", "ip link add link wire name wire.8 type vlan id 8; ip link set wire.8 up");
        try {
          await onNetwork(["-d", "macvlan", "-o", "parent=wire.8", ...SUBNETS], async () => {
            await start("one");
          });
          expect(await linksOfHost()).toContain("wire.8");
        } finally {
          await inHost("ip", "link", "del", "wire.8");
        }
      });
    });

    describeWith("ipvlan", ["ipvlan"], () => {
      test("l2: containers and neighbours, with the hardware address of their parent", async () => {
        await onNetwork(["-d", "ipvlan", "-o", "parent=wire", ...WITH_IPV6], async () => {
          await start("one");
          await start("two");
          const two = await addressOf("two");
          expect([await reaches("one", "two"), await reaches("one", NEIGHBOUR.ipv6)]).toEqual([true, true]);
          expect(await page(two)).toBe("two\n");
          const mac = await macOfParent();
          expect(await neighbour.run("ip", "neigh", "show", two)).toContain(mac);
          await engine().kill9();
          await engine().launch();
          expect(await reaches("one", "two")).toBe(true);
          await ok("network", "disconnect", "net", "two");
          expect(await reaches("one", two)).toBe(false);
        });
      });

      test("l2, private: neighbours on the wire, and not each other", async () => {
        await onNetwork(
          ["-d", "ipvlan", "-o", "parent=wire", "-o", "ipvlan_flag=private", ...SUBNETS],
          async () => {
            await start("one");
            await start("two");
            expect([await reaches("one", "two"), await reaches("one", NEIGHBOUR.ipv4)]).toEqual([
              false,
              true,
            ]);
          },
        );
      });

      test("l3: what is routed by the parent", async () => {
        await onNetwork(
          ["-d", "ipvlan", "-o", "parent=wire", "-o", "ipvlan_mode=l3", "--subnet", "10.78.0.0/24"],
          async () => {
            await start("one");
            await start("two");
            expect(await ok("exec", "one", "ip", "route")).toContain("default dev eth0");
            expect(await reaches("one", "two")).toBe(true);
            await neighbour.run("ip", "route", "add", "10.78.0.0/24", "dev", "far");
            // Nobody answers there for who has the address: the neighbour knows it.
            const [one, mac] = [await addressOf("one"), await macOfParent()];
            await neighbour.run("ip", "neigh", "replace", one, "lladdr", mac, "dev", "far");
            await inHost("ip", "addr", "add", "10.77.0.201/24", "dev", "wire");
            try {
              expect(await neighbourReaches(one)).toBe(true);
            } finally {
              await neighbour.run("ip", "route", "del", "10.78.0.0/24");
              await inHost("ip", "addr", "del", "10.77.0.201/24", "dev", "wire");
            }
          },
        );
      });
    });
  },
);
