import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { builtNative } from "../../../test/support/native.ts";
import { NetworkNamespace } from "../../../test/support/network-namespace.ts";
import { randomFrom } from "../../../test/support/random.ts";
import { describeWith } from "../../../test/support/requires.ts";
import { SLOWNESS } from "../../../test/support/until.ts";
import { TEMPORARY_PREFIX } from "./host-links.ts";
import { listLinks } from "./link-listing.ts";
import { listOwn, removeListed } from "./own-links.ts";

/** Makes a bridge and joins, limits and parts containers, for ever, in the namespaces that are its descriptors 3 and 4. */
const VICTIM = `
  import { attachVeth, detachVeth } from "${join(import.meta.dirname, "attach-veth.ts")}";
  import { makeBridge } from "${join(import.meta.dirname, "host-links.ts")}";
  import { removeOwn } from "${join(import.meta.dirname, "own-links.ts")}";
  import { builtNative } from "${join(import.meta.dirname, "../../../test/support/native.ts")}";
  const native = builtNative();
  const bridge = { name: "gbridge", alias: "gantry:n", mac: Uint8Array.from([2, 66, 10, 77, 0, 1]), addresses: [] };
  for (let round = 0; ; round++) {
    if (round === 1) console.log("ready");
    const index = await makeBridge(native, 3, bridge);
    const inside = { namespace: 4, name: "eth0", addresses: [{ address: Uint8Array.from([10, 77, 0, 2]), prefix: 16 }], routes: [] };
    const own = { namespace: 3, name: "gv0123456789ab", alias: "gantry:c:e", bridge: index, inside, rates: { outBytesPerSecond: 5000 } };
    await attachVeth(native, own);
    await detachVeth(native, own);
    await removeOwn(native, 3, bridge);
  }
`;

describeWith("a process that joins containers, killed", ["root", "native"], () => {
  const native = builtNative();

  test(
    "leaves only links that listOwn() finds, and that can be removed",
    async () => {
      const random = randomFrom(20_262);
      using host = await NetworkNamespace.make();
      using inside = await NetworkNamespace.make();
      const found = new Set<string>();
      for (let round = 0; round < 12; round++) {
        const victim = spawn(process.execPath, ["-e", VICTIM], {
          stdio: ["ignore", "pipe", "inherit", host.fd, inside.fd],
        });
        const ended = once(victim, "close");
        if (victim.stdout === null) throw new Error("the victim has no output");
        await once(victim.stdout, "data");
        await new Promise((resolve) => setTimeout(resolve, random(100 * SLOWNESS)));
        victim.kill("SIGKILL");
        await ended;
        const own = await listOwn(native, host.fd, {
          alias: "gantry:",
          names: ["gv", "gi", TEMPORARY_PREFIX],
        });
        const all = (await listLinks(native, host.fd)).filter(({ name }) => name !== "lo");
        expect(own).toEqual(all);
        for (const link of own) {
          found.add(link.name.startsWith(TEMPORARY_PREFIX) ? "temporary" : link.name);
          await removeListed(native, host.fd, link);
        }
        expect((await listLinks(native, host.fd)).map(({ name }) => name)).toEqual(["lo"]);
        expect((await listLinks(native, inside.fd)).map(({ name }) => name)).toEqual(["lo"]);
      }
      expect(found).toContain("gv0123456789ab");
      expect(found).toContain("gbridge");
    },
    60_000 * SLOWNESS,
  );
});
