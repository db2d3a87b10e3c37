/**
 * Our command table beside what a docker client knows (testing/docker-grammar.txt, made by `npm run gen:docker-grammar`):
 * the same places, flags, letters, kinds of values and defaults, or a line here that says what differs.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { below, type CommandEntry, topLevel } from "./commands.ts";
import type { AnyFlag } from "./flags.ts";
import { GlobalOptions } from "./global-options.ts";

/** Commands that are not there yet. A line goes when its command comes: the test says so. */
const ABSENT: ReadonlySet<string> = new Set();

/** Flags that are not there, by command. The newer client spells `--time` as `--timeout`, to which the letter went. */
const DIFFERENT: ReadonlyMap<string, readonly string[]> = new Map([
  ["container stop", ["--time -t int"]],
  ["container restart", ["--time -t int"]],
]);

interface Known {
  /** The spellings of one command, that below its management command first. */
  readonly places: readonly string[];
  readonly flags: string[];
}

function read(text: string): Known[] {
  const known: Known[] = [];
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("  ")) known.at(-1)?.flags.push(line.trim());
    else known.push({ places: line.split(" = "), flags: [] });
  }
  return known;
}

function entryAt(place: string): CommandEntry | undefined {
  const [first = "", second] = place.split(" ");
  return second === undefined ? topLevel(first) : below(first, second);
}

async function flagsAt(place: string): Promise<AnyFlag[]> {
  if (place === "(global)") return new GlobalOptions("/root").flags.all();
  return (await entryAt(place)?.load())?.command().flags.all() ?? [];
}

/** "--last -n int -1" */
function factOf(flag: AnyFlag): string {
  const letter = flag.short === "" ? "-" : `-${flag.short}`;
  const initial = flag.shownDefault === "" ? "" : ` ${flag.shownDefault}`;
  return `--${flag.name} ${letter} ${flag.valueName === "" ? "bool" : flag.valueName}${initial}`;
}

const KNOWN = read(readFileSync(join(import.meta.dirname, "testing", "docker-grammar.txt"), "utf8"));

describe("the command table beside docker's", () => {
  for (const { places, flags } of KNOWN)
    test(places.join(" = "), async () => {
      const [place = ""] = places;
      if (place !== "(global)") {
        const entries = new Set(places.map(entryAt));
        expect([...entries].filter((entry) => entry === undefined).length > 0).toBe(ABSENT.has(place));
        if (ABSENT.has(place)) return;
        expect(entries.size).toBe(1);
      }
      const ours = (await flagsAt(place)).map(factOf);
      const expected = DIFFERENT.get(place) ?? [];
      const missing = flags.filter((fact) => fact !== "--help - bool" && !ours.includes(fact));
      expect(
        missing.filter((fact) => !expected.some((one) => fact.split(" ")[0] === one.split(" ")[0])),
      ).toEqual([]);
      expect(missing).toHaveLength(expected.length);
    });

  test("reads the whole file", () => {
    expect(KNOWN.length).toBeGreaterThan(60);
  });
});
