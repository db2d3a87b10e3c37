import { describe, expect, test } from "bun:test";
import { DIFFERENCES, differing, explains } from "./differences.ts";
import { golden } from "./golden.ts";
import { SECTIONS } from "./sections.ts";

const NAMES = Object.keys(SECTIONS);

describe("what networks do otherwise than Docker's", () => {
  test.each(NAMES)("is explained: %s", (section) => {
    const unexplained = differing(section).filter(
      (pair) => !DIFFERENCES.some((difference) => explains(difference, section, pair)),
    );
    expect(unexplained).toEqual([]);
  });

  test("is there: every explanation explains something, and every section was recorded twice", () => {
    const idle = DIFFERENCES.filter(
      (difference) =>
        !differing(difference.section).some((pair) => explains(difference, difference.section, pair)),
    );
    expect(idle.map(({ key }) => String(key))).toEqual([]);
    for (const section of NAMES) expect(golden("docker", section).length).toBeGreaterThan(5);
  });
});
