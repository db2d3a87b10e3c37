/**
 * Makes, uses and removes the same few layers and containers for ever, for a test that kills it at any moment. Arguments: the
 * driver and its root. Says "ready" once it has begun.
 */
import { builtNative } from "../../../../test/support/native.ts";
import { sha256Of } from "../../../specs/oci-image/digest.ts";
import { layerTar } from "../snapshotter.suite.ts";
import { openDriver } from "./open-driver.ts";

const [, , driver = "", root = ""] = process.argv;
const snapshots = await openDriver(driver, root, builtNative());
const signal = new AbortController().signal;
const chain = ["churn 0", "churn 1", "churn 2"].map(sha256Of);
console.log("ready");
for (let round = 0; ; round++) {
  for (const [i, chainId] of chain.entries())
    await snapshots.createLayer(chainId, chain[i - 1], (staged) =>
      staged.apply(layerTar([{ name: `file${i}`, content: `${i}`.repeat(200_000) }]), signal),
    );
  await Promise.all(["one", "two"].map((id) => snapshots.prepare(`${id}-${round}`, chain[2])));
  for (const { id } of snapshots.active()) await snapshots.remove(id);
  if (round % 2 === 0) for (const chainId of chain.toReversed()) await snapshots.removeLayer(chainId);
}
