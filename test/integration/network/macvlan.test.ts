/** Containers on the wire of an interface of the host, with hardware addresses of their own there. */
import { describe, expect, test } from "bun:test";
import { until } from "../../support/until.ts";
import { NEIGHBOUR, SERVE, SUBNETS, WITH_IPV6, wireSuite } from "../../support/wire-lab.ts";

wireSuite("macvlan networks", ["macvlan"], (lab, engine) => {
  describe("macvlan", () => {
    test("bridge: containers, neighbours and names, with both versions of IP", async () => {
      await lab.onNetwork(["-d", "macvlan", "-o", "parent=wire", ...WITH_IPV6], async () => {
        await lab.start("one");
        await lab.start("two", "--network-alias", "second");
        const two = await lab.addressOf("two");
        const two6 = await lab.addressOf("two", "GlobalIPv6Address");
        expect([await lab.reaches("one", two), await lab.reaches("one", two6)]).toEqual([true, true]);
        expect([await lab.reaches("one", "two"), await lab.reaches("one", "second")]).toEqual([true, true]);
        expect([await lab.reaches("one", NEIGHBOUR.ipv4), await lab.reaches("one", NEIGHBOUR.ipv6)]).toEqual([
          true,
          true,
        ]);
        expect([await lab.page(two), await lab.page(`[${two6}]`)]).toEqual(["two\n", "two\n"]);
        // With a hardware address of its own on the wire.
        expect(await lab.neighbour.run("ip", "neigh", "show", two)).toContain(
          await lab.addressOf("two", "MacAddress"),
        );
        expect(await lab.ok("exec", "one", "ip", "route")).toContain(
          `default via ${NEIGHBOUR.ipv4} dev eth0`,
        );
        // Nothing of it is on the host.
        expect(await lab.linksOfHost()).not.toMatch(/^gv/m);
      });
      expect(await lab.linksOfHost()).toContain("wire");
    });

    test("private: neighbours on the wire, and not each other", async () => {
      await lab.onNetwork(
        ["-d", "macvlan", "-o", "parent=wire", "-o", "macvlan_mode=private", ...SUBNETS],
        async () => {
          await lab.start("one");
          await lab.start("two");
          const two = await lab.addressOf("two");
          expect([await lab.reaches("one", two), await lab.reaches("one", NEIGHBOUR.ipv4)]).toEqual([
            false,
            true,
          ]);
          expect(await lab.page(two)).toBe("two\n");
        },
      );
    });

    test("vepa: each other by way of a switch that sends back", async () => {
      await lab.onNetwork(
        ["-d", "macvlan", "-o", "parent=wire", "-o", "macvlan_mode=vepa", ...SUBNETS],
        async () => {
          await lab.start("one");
          await lab.start("two");
          const two = await lab.addressOf("two");
          expect([await lab.reaches("one", two), await lab.reaches("one", NEIGHBOUR.ipv4)]).toEqual([
            false,
            true,
          ]);
          await lab.neighbour.run(
            "sh",
            "-c",
            "ip link add switch type bridge; ip link set switch up; ip link set far master switch; ip link set far type bridge_slave hairpin on",
          );
          try {
            await until("the switch to send back", () => lab.reaches("one", two));
          } finally {
            await lab.neighbour.run("ip", "link", "del", "switch");
          }
        },
      );
    });

    test("passthru: one container has the interface for itself", async () => {
      await lab.onNetwork(
        ["-d", "macvlan", "-o", "parent=wire", "-o", "macvlan_mode=passthru", ...SUBNETS],
        async () => {
          await lab.start("one");
          expect(await lab.page(await lab.addressOf("one"))).toBe("one\n");
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
          expect(await lab.page(await lab.addressOf("one"))).toBe("one\n");
        },
      );
    });

    test("a running container is connected and disconnected", async () => {
      await lab.onNetwork(["-d", "macvlan", "-o", "parent=wire", ...SUBNETS], async () => {
        await lab.ok("run", "-d", "--name", "one", "--network", "bridge", ...SERVE);
        await lab.start("two");
        await lab.ok("network", "connect", "--ip", "10.77.0.50", "net", "one");
        expect([await lab.reaches("one", "two"), await lab.neighbourReaches("10.77.0.50")]).toEqual([
          true,
          true,
        ]);
        expect(await lab.ok("exec", "one", "cat", "/etc/hosts")).toContain("10.77.0.50");
        await lab.ok("network", "disconnect", "net", "one");
        expect(await lab.neighbourReaches("10.77.0.50")).toBe(false);
        expect(await lab.ok("exec", "one", "ip", "link")).not.toContain("eth1");
      });
    });

    test("all goes on when the daemon is killed, and is known to the next one", async () => {
      await lab.onNetwork(["-d", "macvlan", "-o", "parent=wire", ...SUBNETS], async () => {
        await lab.start("one");
        await lab.start("two");
        await engine().kill9();
        expect(await lab.page("10.77.0.1")).toBe("one\n");
        await engine().launch();
        expect([await lab.reaches("one", "two"), await lab.page(await lab.addressOf("two"))]).toEqual([
          true,
          "two\n",
        ]);
        await lab.start("three");
        expect([await lab.addressOf("three"), await lab.reaches("one", "three")]).toEqual([
          "10.77.0.3",
          true,
        ]);
        await lab.ok("network", "disconnect", "net", "two");
        expect(await lab.reaches("one", "10.77.0.2")).toBe(false);
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
      expect(await lab.ok("network", "ls", "-q", "-f", "name=net")).toBe("");
    });
  });
});
