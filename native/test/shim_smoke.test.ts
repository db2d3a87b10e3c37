import { expect, test } from "bun:test";
import { allOutput, flags, kinds, plan, Shim, u32 } from "./shim_harness.ts";
const binary = process.env.GANTRY_SHIM_FAKE ?? "";
test("smoke", async () => {
  await using shim = new Shim({ binary });
  const r = await shim.run({ logPath: shim.logPath, plan: plan(["/bin/sh", "-c", "echo hello; echo err >&2; exit 3"]) });
  console.log(r, shim.log(), shim.read("exit"), shim.stderr, await shim.ended);
  expect(r.exitCode).toBe(3);
});
