/** Containers on a VLAN of the wire: the interface for it is the network's. */
import { expect, test } from "bun:test";
import { NEIGHBOUR, SUBNETS, wireSuite } from "../../support/wire-lab.ts";

wireSuite("macvlan networks on a VLAN", ["macvlan", "vlan"], (lab, engine) => {
  test("its interface is made, and goes with the network", async () => {
    await lab.onNetwork(["-d", "macvlan", "-o", "parent=wire.7", ...SUBNETS], async () => {
      await lab.start("one");
      const one = await lab.addressOf("one");
      expect([await lab.linksOfHost(), await lab.neighbourReaches(one)]).toEqual([
        expect.stringContaining("wire.7@wire"),
        false,
      ]);
      await lab.neighbour.run(
        "sh",
        "-c",
        `ip addr del ${NEIGHBOUR.ipv4}/24 dev far; ip link add link far name far.7 type vlan id 7; ip addr add ${NEIGHBOUR.ipv4}/24 dev far.7; ip link set far.7 up`,
      );
      try {
        expect(await lab.page(one)).toBe("one\n");
        await engine().kill9();
        await engine().launch();
        expect(await lab.page(one)).toBe("one\n");
      } finally {
        await lab.neighbour.run("sh", "-c", `ip link del far.7; ip addr add ${NEIGHBOUR.ipv4}/24 dev far`);
      }
    });
    expect(await lab.linksOfHost()).not.toContain("wire.7");
  });

  test("one that was there before stays", async () => {
    await lab.inHost("sh", "-c", "ip link add link wire name wire.8 type vlan id 8; ip link set wire.8 up");
    try {
      await lab.onNetwork(["-d", "macvlan", "-o", "parent=wire.8", ...SUBNETS], async () => {
        await lab.start("one");
      });
      expect(await lab.linksOfHost()).toContain("wire.8");
    } finally {
      await lab.inHost("ip", "link", "del", "wire.8");
    }
  });
});
