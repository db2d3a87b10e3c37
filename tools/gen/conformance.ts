/** npm run gen:conformance: writes docs/conformance.md from the table of accepted differences. A test says when it is old. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ACCEPTED } from "../../test/conformance/runtime/accepted.ts";
import { configurations } from "../../test/conformance/runtime/configurations.ts";

const HEAD = `# The same view from inside

\`test/conformance/runtime\` runs a probe in COUNT configurations under gantry-runc, runc and crun, and compares what it sees:
namespaces, mounts, capabilities, limits, answers of system calls, devices, environment, credentials, descriptors, labels.
What differs is listed here with its reason; anything else that differs fails the test. This page is made from
\`test/conformance/runtime/accepted.ts\`.

| from | where | what the probe sees | reason |
|---|---|---|---|
`;

function cell(text: string): string {
  return text.replaceAll("|", "\\\\|");
}

export function conformancePage(): string {
  const rows = ACCEPTED.map(
    ({ from, configuration, key, reason }) =>
      `| ${from === "both" ? "runc, crun" : from} | ${configuration === undefined ? "everywhere" : `\`${cell(configuration.source)}\``} | \`${cell(key.source)}\` | ${cell(reason)} |`,
  );
  return `${HEAD.replace("COUNT", String(configurations("/share", 1).length))}${rows.join("\n")}\n`;
}

if (import.meta.main)
  writeFileSync(join(import.meta.dirname, "..", "..", "docs", "conformance.md"), conformancePage());
