/**
 * Fails on dead names in the documentation: every path in `backticks` or in a markdown link that looks like one of the
 * repository's own must exist, and every `npm run X` must be a script.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { execFileSync } from "node:child_process";

const root = join(import.meta.dirname, "..");
const tops = new Set(readdirSync(root));
const scripts: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
).scripts;
const pages = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.md"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((name) => name !== "");

const problems: string[] = [];
for (const page of pages) {
  if (!existsSync(join(root, page))) continue;
  const lines = readFileSync(join(root, page), "utf8").split("\n");
  for (const [index, line] of lines.entries()) {
    const at = `${page}:${index + 1}`;
    for (const match of line.matchAll(/`([\w./-]+)`/g)) {
      const name = match[1] ?? "";
      const first = name.split("/")[0] ?? "";
      if (!name.includes("/") || !tops.has(first) || first === "build" || first === "node_modules") continue;
      const isThere = [root, join(root, dirname(page))].some((base) => existsSync(join(base, name)));
      if (!isThere) problems.push(`${at}: \`${name}\` does not exist`);
    }
    for (const match of line.matchAll(/\]\(([^)#:]+)(#[^)]*)?\)/g)) {
      const target = match[1] ?? "";
      if (!existsSync(join(root, dirname(page), target)))
        problems.push(`${at}: link to "${target}" leads nowhere`);
    }
    for (const match of line.matchAll(/npm run ([\w:-]+)/g)) {
      if (!((match[1] ?? "") in scripts)) problems.push(`${at}: there is no script "${match[1]}"`);
    }
  }
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
