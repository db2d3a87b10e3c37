/**
 * From a config.json of somebody else to the kernel, case by case: testdata/CASE/config.json without a request.json beside
 * it is written by hand, plan.txt is what `gantry-runc plan` would print. UPDATE_GOLDEN=1 rewrites plan.txt.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { HostFacts } from "../linux/host-facts.ts";
import { FACTS_V1, FACTS_V2 } from "../linux/testing/facts.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import { compile, type CompileOptions, compileExec } from "./compile.ts";
import { printPlan } from "./plan-print.ts";
import type { Plan } from "./plan.ts";
import { expectGolden } from "./testing/golden.ts";

const TESTDATA = join(import.meta.dirname, "testdata");

interface Case {
  readonly facts?: HostFacts;
  readonly rootfs?: CompileOptions["rootfs"];
  /** More processes join the container: this one says nothing of its own but what it runs. */
  readonly exec?: boolean;
}

const LAYERS = {
  kind: "overlay",
  lowers: ["/l/top", "/l/base"],
  upper: "/c/upper",
  work: "/c/work",
} as const;

const CASES: Readonly<Record<string, Case>> = {
  hooks: {},
  idmap: { rootfs: { kind: "bind", source: "/b/rootfs", idmapped: true } },
  images: {
    rootfs: { ...LAYERS, images: true, lowers: ["/l/top/layer.erofs", "/l/base/layer.erofs"] },
  },
  labels: { facts: { ...FACTS_V2, selinux: true, apparmor: true }, rootfs: LAYERS },
  "mount-options": {},
  "mount-path": {},
  netdevices: {},
  notify: {},
  "notify-exec": { exec: true },
  scheduling: {},
  "scheduling-exec": { exec: true },
  time: {},
  userns: { facts: FACTS_V2, rootfs: { ...LAYERS, idmapped: true } },
  "userns-path": { facts: FACTS_V1 },
};

const EXEC = { user: { uid: 0, gid: 0 }, args: ["id"], cwd: "" };

function planOf(spec: Spec, { facts = FACTS_V2, rootfs, exec = false }: Case): Plan {
  if (exec) return compileExec({ process: EXEC, spec, taskId: "ID", facts, bundle: "/bundle" });
  return compile({
    spec,
    rootfs: rootfs ?? { kind: "bind", source: "/b/rootfs" },
    staging: "/run/staging",
    taskId: "ID",
    facts,
    init: false,
    bundle: "/bundle",
    lookup: true,
  });
}

test("every case that is a config.json alone is tested", () => {
  const cases = readdirSync(TESTDATA).filter((name) => !existsSync(join(TESTDATA, name, "request.json")));
  expect(cases.sort()).toEqual(Object.keys(CASES).sort());
});

test.each(Object.entries(CASES))("the config.json of the case %s makes its golden plan", (name, details) => {
  const spec = decodeSpec(readFileSync(join(TESTDATA, name, "config.json"), "utf8"));
  expectGolden(join(TESTDATA, name, "plan.txt"), printPlan(planOf(spec, details)));
});
