/** Containers on the wire of an interface of the host, with its hardware address; and such networks without an interface. */
import { expect, test } from "bun:test";
import { describeWith } from "../../support/requires.ts";
import { NEIGHBOUR, SUBNETS, WITH_IPV6, wireSuite } from "../../support/wire-lab.ts";

wireSuite("ipvlan networks", ["ipvlan"], (lab, engine) => {
  describeWith("ipvlan", ["ipvlan"], () => {
    test("l2: containers and neighbours, with the hardware address of their parent", async () => {
      await lab.onNetwork(["-d", "ipvlan", "-o", "parent=wire", ...WITH_IPV6], async () => {
        await lab.start("one");
        await lab.start("two");
        const two = await lab.addressOf("two");
        expect([await lab.reaches("one", "two"), await lab.reaches("one", NEIGHBOUR.ipv6)]).toEqual([
          true,
          true,
        ]);
        expect(await lab.page(two)).toBe("two\n");
        const mac = await lab.macOfParent();
        expect(await lab.neighbour.run("ip", "neigh", "show", two)).toContain(mac);
        await engine().kill9();
        await engine().launch();
        expect(await lab.reaches("one", "two")).toBe(true);
        await lab.ok("network", "disconnect", "net", "two");
        expect(await lab.reaches("one", two)).toBe(false);
      });
    });

    test("l2, private: neighbours on the wire, and not each other", async () => {
      await lab.onNetwork(
        ["-d", "ipvlan", "-o", "parent=wire", "-o", "ipvlan_flag=private", ...SUBNETS],
        async () => {
          await lab.start("one");
          await lab.start("two");
          expect([await lab.reaches("one", "two"), await lab.reaches("one", NEIGHBOUR.ipv4)]).toEqual([
            false,
            true,
          ]);
        },
      );
    });

    test("l3: what is routed by the parent", async () => {
      await lab.onNetwork(
        ["-d", "ipvlan", "-o", "parent=wire", "-o", "ipvlan_mode=l3", "--subnet", "10.78.0.0/24"],
        async () => {
          await lab.start("one");
          await lab.start("two");
          expect(await lab.ok("exec", "one", "ip", "route")).toContain("default dev eth0");
          expect(await lab.reaches("one", "two")).toBe(true);
          await lab.neighbour.run("ip", "route", "add", "10.78.0.0/24", "dev", "far");
          // Nobody answers there for who has the address: the neighbour knows it.
          const [one, mac] = [await lab.addressOf("one"), await lab.macOfParent()];
          await lab.neighbour.run("ip", "neigh", "replace", one, "lladdr", mac, "dev", "far");
          await lab.inHost("ip", "addr", "add", "10.77.0.201/24", "dev", "wire");
          try {
            expect(await lab.neighbourReaches(one)).toBe(true);
          } finally {
            await lab.neighbour.run("ip", "route", "del", "10.78.0.0/24");
            await lab.inHost("ip", "addr", "del", "10.77.0.201/24", "dev", "wire");
          }
        },
      );
    });
  });

  describeWith("macvlan without a parent", ["dummy links"], () => {
    test("internal: each other, and nobody else", async () => {
      await lab.onNetwork(["-d", "macvlan", "--internal", ...SUBNETS], async () => {
        await lab.start("one");
        await lab.start("two");
        expect([await lab.reaches("one", "two"), await lab.reaches("one", NEIGHBOUR.ipv4)]).toEqual([
          true,
          false,
        ]);
        expect(await lab.ok("exec", "one", "ip", "route")).not.toContain("default");
        expect(await lab.linksOfHost()).toMatch(/^dm-[0-9a-f]{12}/m);
        await engine().kill9();
        await engine().launch();
        expect(await lab.reaches("one", "two")).toBe(true);
      });
      expect(await lab.linksOfHost()).not.toMatch(/^dm-/m);
    });
  });
});
