/**
 * From a request to the kernel, case by case: testdata/CASE/request.json (the body of POST /containers/create) becomes
 * config.json (`buildSpec`), that becomes plan.txt (`compile`), and what `gantry-runc plan` would print is compared.
 * UPDATE_GOLDEN=1 rewrites config.json and plan.txt.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildSpec } from "../engine/containers/spec.ts";
import type { SpecInput } from "../engine/containers/spec-input.ts";
import { specInput, TEST_ID } from "../engine/testing/spec-input.ts";
import type { HostFacts } from "../linux/host-facts.ts";
import { FACTS_V1, FACTS_V1_TOGETHER, FACTS_V2 } from "../linux/testing/facts.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import { encodeSpec } from "../specs/oci-runtime/encode.ts";
import type { Spec } from "../specs/oci-runtime/spec.ts";
import { compile, compileExec } from "./compile.ts";
import { printPlan } from "./plan-print.ts";
import type { Plan } from "./plan.ts";
import { expectGolden } from "./testing/golden.ts";

const TESTDATA = join(import.meta.dirname, "testdata");

/** What a case has besides its request. */
interface Case {
  readonly facts?: HostFacts;
  readonly input?: Partial<SpecInput>;
  readonly init?: boolean;
  readonly exec?: boolean;
}

const CASES: Readonly<Record<string, Case>> = {
  default: {},
  exec: { exec: true },
  "host-modes": {},
  init: { init: true },
  "limits-v1": {
    facts: FACTS_V1_TOGETHER,
    input: { devices: { all: [], mapped: [], numbers: new Map([["/dev/vda", { major: 254, minor: 0 }]]) } },
  },
  "limits-v2": {
    facts: FACTS_V2,
    input: { devices: { all: [], mapped: [], numbers: new Map([["/dev/vda", { major: 254, minor: 0 }]]) } },
  },
  mounts: {
    input: {
      mounts: [
        {
          kind: "bind",
          source: "/srv/deep",
          destination: "/a/b/c",
          readOnly: true,
          recursiveReadOnly: true,
          recursive: true,
          propagation: "rprivate",
          isDirectory: true,
        },
        {
          kind: "bind",
          source: "/srv/file",
          destination: "/f",
          readOnly: true,
          recursiveReadOnly: false,
          recursive: false,
          propagation: "rslave",
          isDirectory: false,
        },
        { kind: "tmpfs", destination: "/run", options: ["noexec", "nosuid", "nodev"] },
        { kind: "tmpfs", destination: "/dev/shm", options: ["nosuid", "mode=1777", "size=1m"] },
      ],
    },
  },
  privileged: {
    input: {
      devices: {
        all: [
          { path: "/dev/kmsg", type: "c", major: 1, minor: 11, fileMode: 0o644, uid: 0, gid: 0 },
          { path: "/dev/ptmx", type: "c", major: 5, minor: 2 },
        ],
        mapped: [],
        numbers: new Map(),
      },
    },
  },
  "read-only": {},
  tty: {},
  user: {},
};

function planOf(spec: Spec, { facts = FACTS_V1, init = false, exec = false }: Case): Plan {
  const { process } = spec;
  if (exec && process !== undefined) return compileExec({ process, spec, taskId: TEST_ID, facts });
  const layers = "/var/lib/gantry/overlay2";
  const rootfs = {
    kind: "overlay",
    lowers: [`${layers}/top`, `${layers}/base`],
    upper: `${layers}/c/upper`,
    work: `${layers}/c/work`,
  } as const;
  return compile({
    spec,
    rootfs,
    staging: `/run/gantry/tasks/${TEST_ID}/rootfs`,
    taskId: TEST_ID,
    facts,
    init,
  });
}

/** One line for each list of words. */
function readable(json: string): string {
  const text = JSON.stringify(JSON.parse(json), null, 1);
  const short = text.replace(
    /\[\s+((?:"[^"\n]*"|-?\d+)(?:,\s+(?:"[^"\n]*"|-?\d+))*)\s+\]/g,
    (_, items: string) => `[${items.replace(/,\s+/g, ", ")}]`,
  );
  return `${short}\n`;
}

test("every case that is a request is tested", () => {
  const cases = readdirSync(TESTDATA).filter((name) => existsSync(join(TESTDATA, name, "request.json")));
  expect(cases.sort()).toEqual(Object.keys(CASES).sort());
});

test.each(Object.entries(CASES))(
  "a container of the case %s is what its golden files say",
  (name, details) => {
    const file = (entry: string): string => join(TESTDATA, name, entry);
    const request: unknown = JSON.parse(readFileSync(file("request.json"), "utf8"));
    const input = specInput(Object(request), {
      ...(details.facts === undefined ? {} : { facts: details.facts }),
      ...details.input,
    });
    const config = encodeSpec(buildSpec(input));
    expectGolden(file("config.json"), readable(config));
    expectGolden(file("plan.txt"), printPlan(planOf(decodeSpec(config), details)).replaceAll(TEST_ID, "ID"));
  },
);
