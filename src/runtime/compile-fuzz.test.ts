/**
 * Random documents, made from a good one: whatever comes, decodeSpec() and compile() answer with a plan that encodes and
 * decodes, or with one GantryError, and soon. GANTRY_FUZZ_SECONDS makes it longer, GANTRY_FUZZ_SEED repeats a run.
 */
import { expect, test } from "bun:test";
import { GantryError } from "../base/errors.ts";
import { FACTS_V1, FACTS_V2 } from "../linux/testing/facts.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import { encodeSpec } from "../specs/oci-runtime/encode.ts";
import { compile, compileExec } from "./compile.ts";
import { decodePlan, encodePlan } from "./plan-codec.ts";
import { fullConfig, type Json } from "./testing/full-config.ts";

const SECONDS = Number(process.env.GANTRY_FUZZ_SECONDS ?? "1.5");
const SEED = Number(process.env.GANTRY_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));
/** Far above what any document takes: a hang, not a slow machine. */
const HANG_MS = 5000;

/** mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomOf(SEED);
const below = (n: number): number => Math.floor(random() * n);

function pick<T>(from: readonly T[]): T {
  const chosen = from[below(from.length)];
  if (chosen === undefined) throw new Error("nothing to pick from");
  return chosen;
}

const ODD: readonly (() => Json)[] = [
  () => null,
  () => random() < 0.5,
  () =>
    pick([0, -1, 1, 1.5, 7, 4095, 65535, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, -(2 ** 63), 1e308]),
  () =>
    pick([
      "",
      "/",
      "..",
      "/..",
      "a",
      "\0",
      "\n",
      "/x/../../y",
      "__proto__",
      "x".repeat(5000),
      "ä%d=,:\\",
      "\ud800",
    ]),
  () =>
    pick([
      "user",
      "mount",
      "RLIMIT_CPU",
      "rbind",
      "ridmap",
      "remount",
      "SCMP_ACT_NOTIFY",
      "write",
      "0-9",
      "shared",
    ]),
  () => [],
  () => ({}),
  () => ({ __proto__x: 1, constructor: "x", path: "/x", type: "bind", toString: null }),
  () => Array.from({ length: below(400) }, () => pick<Json>([1, "a", {}, null])),
];

/** Every place of the document that holds others. */
function holders(root: Json): (Json[] | { [key: string]: Json })[] {
  const found: (Json[] | { [key: string]: Json })[] = [];
  const rest: Json[] = [root];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next !== "object" || next === null) continue;
    found.push(next);
    rest.push(...Object.values(next));
  }
  return found;
}

function mutate(root: Json): void {
  const all = holders(root);
  const at = pick(all);
  const keys = Object.keys(at);
  const key =
    keys.length === 0 || random() < 0.05 ? pick(["x", "path", "type", "0", "__proto__"]) : pick(keys);
  const roll = random();
  if (roll < 0.2) Reflect.deleteProperty(at, key);
  else if (roll < 0.7) Reflect.set(at, key, pick(ODD)());
  else if (roll < 0.85) Reflect.set(at, key, structuredClone(pick(Object.values(pick(all)).concat(null))));
  // An array whose prototype was exchanged above has no methods.
  else if (Array.isArray(at))
    for (const item of Array.from(at).slice(0, 1 + below(3)))
      Reflect.set(at, at.length, structuredClone(item));
}

/** Also what is no JSON any more, and numbers of any length. */
function damaged(text: string): string {
  const place = below(text.length);
  return pick([
    () => text.slice(0, place),
    () =>
      text.slice(0, place) +
      pick(["{", "}", "[", "]", '"', ",", "\\", "0", "\u0000", "9".repeat(30)]) +
      text.slice(place),
    () =>
      text.replace(/:\d+/, `:${pick(["18446744073709551615", "18446744073709551616", "-0", "1e400", "00"])}`),
  ])();
}

function document(): string {
  const config = fullConfig();
  const rounds = pick([0, 1, 1, 1, 2, 3, 6]);
  for (let i = 0; i < rounds; i++) mutate(config);
  const text = JSON.stringify(config);
  return random() < 0.1 ? damaged(text) : text;
}

/** Whether a plan came out of it. */
function survives(text: string): boolean {
  const facts = { ...pick([FACTS_V1, FACTS_V2]), selinux: random() < 0.9, apparmor: random() < 0.9 };
  const common = { taskId: "t", facts, bundle: "/b", ...(random() < 0.5 ? { warn: () => undefined } : {}) };
  try {
    const spec = decodeSpec(text);
    expect(decodeSpec(encodeSpec(spec))).toEqual(spec);
    const rootfs = { kind: "bind", source: "/r", idmapped: random() < 0.5 } as const;
    const plan = compile({ spec, rootfs, staging: "/s", init: random() < 0.5, ...common });
    expect(decodePlan(encodePlan(plan)).ops).toHaveLength(plan.ops.length);
    if (spec.process !== undefined)
      decodePlan(encodePlan(compileExec({ process: spec.process, spec, ...common })));
    return true;
  } catch (error) {
    if (error instanceof GantryError && ["invalid_argument", "not_implemented"].includes(error.category))
      return false;
    throw error;
  }
}

test(
  `random documents are compiled or refused, seed ${SEED}`,
  () => {
    const end = performance.now() + SECONDS * 1000;
    let plans = 0;
    let documents = 0;
    let slowestMs = 0;
    while (performance.now() < end) {
      const text = document();
      const start = performance.now();
      try {
        if (survives(text)) plans++;
      } catch (cause) {
        throw new Error(`seed ${SEED}, document ${documents}: ${text}`, { cause });
      }
      documents++;
      slowestMs = Math.max(slowestMs, performance.now() - start);
    }
    expect(slowestMs).toBeLessThan(HANG_MS);
    // Neither all good nor all bad: else it is not the compiler that is tested.
    expect(plans).toBeGreaterThan(documents / 50);
    expect(documents - plans).toBeGreaterThan(documents / 50);
  },
  (SECONDS + 10) * 1000,
);
