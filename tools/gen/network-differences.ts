/** npm run gen:network-differences: writes docs/network-differences.md from the table of differences. A test says when it is old. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DIFFERENCES, differing, explains } from "../../test/conformance/network/differences.ts";
import { GOLDEN, golden } from "../../test/conformance/network/golden.ts";
import { SECTIONS } from "../../test/conformance/network/sections.ts";

/** A reason with more examples than this says how many there are. */
const SHOWN = 3;

export function differencesPage(): string {
  const version = readFileSync(join(GOLDEN, "docker", "version"), "utf8").trim();
  const total = Object.keys(SECTIONS).reduce((sum, section) => sum + golden("docker", section).length, 0);
  const parts = Object.keys(SECTIONS).flatMap((section) => {
    const reasons = DIFFERENCES.filter((difference) => difference.section === section);
    return reasons.length === 0 ? [] : [`## ${section}`, ...reasons.map(paragraph)];
  });
  return `${[
    "# Where networks differ from Docker's",
    `Made by \`npm run gen:network-differences\` from \`test/conformance/network/differences.ts\`; do not edit. One script observes
Gantry and Docker ${version}, each on a host with a neighbour on its LAN (\`test/conformance/network\`). Of ${total} observations
these are different.`,
    ...parts,
  ].join("\n\n")}\n`;

  function paragraph(difference: (typeof DIFFERENCES)[number]): string {
    const pairs = differing(difference.section).filter((pair) =>
      explains(difference, difference.section, pair),
    );
    const rows = pairs
      .slice(0, SHOWN)
      .map(({ key, docker, gantry }) => `| ${[key, docker, gantry].map(cell).join(" | ")} |`);
    const more = pairs.length > SHOWN ? [`| and ${pairs.length - SHOWN} more | | |`] : [];
    const reason = `${difference.reason[0]?.toUpperCase()}${difference.reason.slice(1)}.`;
    return [reason, "", "| observed | Docker | Gantry |", "|---|---|---|", ...rows, ...more].join("\n");
  }
}

function cell(text: string): string {
  return text === "" ? "—" : text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

if (import.meta.main)
  writeFileSync(join(import.meta.dirname, "..", "..", "docs", "network-differences.md"), differencesPage());
