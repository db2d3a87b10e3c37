import { describe, expect, test } from "bun:test";
import { CLIENT_DIFFERENCES } from "./client-differences.ts";
import { type Difference, differing, explains, unexplained } from "./difference.ts";
import { DIFFERENCES } from "./differences.ts";
import { OURS, type Ours, recorded } from "./golden.ts";
import { SECTIONS } from "./sections.ts";

const NAMES = Object.keys(SECTIONS);
const EXPLANATIONS: Readonly<Record<Ours, readonly Difference[]>> = {
  gantry: DIFFERENCES,
  "own-client": [...DIFFERENCES, ...CLIENT_DIFFERENCES],
};

describe("commands", () => {
  test("are many, and each is there once in its section", () => {
    for (const [name, commands] of Object.entries(SECTIONS))
      expect([name, new Set(commands).size]).toEqual([name, commands.length]);
    expect(Object.values(SECTIONS).flat().length).toBeGreaterThan(600);
  });

  test.each(NAMES)("were recorded as they are: %s", (name) => {
    expect(recorded("docker", name).map(({ command }) => command)).toEqual([...(SECTIONS[name] ?? [])]);
  });
});

describe.each([...OURS])("what is otherwise than Docker's with %s", (ours) => {
  test.each(NAMES)("is explained, and differs: %s", (name) => {
    const docker = new Map(recorded("docker", name).map(({ command, said }) => [command, said]));
    for (const { command, said } of recorded(ours, name)) expect(said).not.toEqual(docker.get(command) ?? []);
    const left = differing(ours, name).flatMap((step) => {
      const lines = unexplained(EXPLANATIONS[ours], step);
      return lines.length === 0 ? [] : [{ command: step.command, lines }];
    });
    expect(left).toEqual([]);
  });
});

describe("every explanation explains something", () => {
  test.each([
    ["gantry", DIFFERENCES],
    ["own-client", CLIENT_DIFFERENCES],
  ] as const)("%s", (ours, rows) => {
    const steps = NAMES.flatMap((name) => differing(ours, name));
    const idle = rows.filter(
      (row) =>
        !steps.some((step) =>
          (step.lines.length === 0 ? [""] : step.lines).some((line) => explains(row, step, line)),
        ),
    );
    expect(idle.map(({ command }) => String(command))).toEqual([]);
  });
});
