/**
 * Writes what is seen on an engine into golden/FOLDER:
 *
 *     bun test/conformance/network/record.ts [--only SECTION] gantry                      on a throw-away engine of ours
 *     bun test/conformance/network/record.ts [--only SECTION] docker PID COMMAND...       on one that is there already
 *
 * The other's host has the resolv.conf of `HOST_SETUP`, too. PID is a process in the network namespace of that engine's host, COMMAND its client. Read what has changed before it is committed.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Engine, GANTRY } from "../../support/engine.ts";
import { must, run } from "../../support/run.ts";
import { GOLDEN } from "./golden.ts";
import { probeArchive } from "./image.ts";
import { observe } from "./observe.ts";
import { SECTIONS } from "./sections.ts";
import { type ComparedEngine, HOST_SETUP, IMAGE } from "./world.ts";

async function record(engine: ComparedEngine, folder: string, sections: readonly string[]): Promise<void> {
  await must([...engine.cli, "load"], { input: readFileSync(await probeArchive()) });
  const place = join(GOLDEN, folder);
  mkdirSync(place, { recursive: true });
  try {
    for (const section of sections) {
      const started = performance.now();
      const lines = await observe(engine, section);
      writeFileSync(join(place, `${section}.txt`), `${lines.join("\n")}\n`);
      const ms = Math.round(performance.now() - started);
      console.log(`${section}: ${lines.length} observations in ${ms} ms`);
    }
  } finally {
    await run([...engine.cli, "rmi", IMAGE]);
  }
}

const { values, positionals } = parseArgs({
  options: { only: { type: "string", multiple: true } },
  allowPositionals: true,
  strict: true,
});
const sections = values.only ?? Object.keys(SECTIONS);
const [folder, pid, ...cli] = positionals;
if (folder === "gantry") {
  const engine = await Engine.start([], HOST_SETUP);
  try {
    await record({ cli: [GANTRY, "--host", engine.host], hostPid: engine.hostPid }, folder, sections);
  } finally {
    await engine.close();
  }
} else {
  if (folder !== "docker" || !(Number(pid) > 0) || cli.length === 0)
    throw new Error("see the head of this file");
  const engine = { cli, hostPid: Number(pid) };
  await record(engine, folder, sections);
  const version = await must([...cli, "version", "--format", "{{.Server.Version}}"]);
  writeFileSync(join(GOLDEN, folder, "version"), version);
}
