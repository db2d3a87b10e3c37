/**
 * npm run gen:docker-golden -- [--only SECTION] WHOSE
 *
 *     gantry          what the stock client says of a throw-away engine of ours
 *     own-client      what our client says of it
 *     docker HOST     what the stock client says of the real Docker, whose socket HOST is (unix://...)
 *
 * Read what has changed before it is committed.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Engine, GANTRY } from "../../support/engine.ts";
import { must, run } from "../../support/run.ts";
import { GOLDEN, OURS, type Ours, recorded } from "./golden.ts";
import { IMAGE, imageArchive } from "./image.ts";
import { SECTIONS } from "./sections.ts";
import { format, type Step } from "./transcript.ts";
import { stockClient } from "./client.ts";
import { type Compared, World } from "./world.ts";

async function record(
  compared: Compared,
  sections: readonly string[],
  keep: (section: string, steps: readonly Step[]) => void,
): Promise<void> {
  const env = { DOCKER_HOST: compared.host };
  await must([compared.client, "load", "-q", "-i", await imageArchive()], { env });
  try {
    using world = await World.make(compared);
    for (const section of sections) {
      const started = performance.now();
      const steps = await world.observe(section);
      keep(section, steps);
      console.log(`${section}: ${steps.length} steps in ${Math.round(performance.now() - started)} ms`);
    }
  } finally {
    await run([compared.client, "rmi", IMAGE], { env });
  }
}

function write(folder: string, section: string, steps: readonly Step[]): void {
  const place = join(GOLDEN, folder);
  mkdirSync(place, { recursive: true });
  const path = join(place, `${section}.txt`);
  if (steps.length === 0) rmSync(path, { force: true });
  else writeFileSync(path, format(steps));
}

/** Only what differs from Docker's. */
function writeOurs(ours: Ours, section: string, steps: readonly Step[]): void {
  const docker = new Map(recorded("docker", section).map((step) => [step.command, step.said.join("\n")]));
  write(
    ours,
    section,
    steps.filter(({ command, said }) => docker.get(command) !== said.join("\n")),
  );
}

const { values, positionals } = parseArgs({
  options: { only: { type: "string", multiple: true } },
  allowPositionals: true,
  strict: true,
});
const sections = values.only ?? Object.keys(SECTIONS);
const [whose, host] = positionals;
if (whose === "docker" && host !== undefined) {
  const client = stockClient().path;
  await record({ client, host }, sections, (section, steps) => write("docker", section, steps));
  const version = `client ${stockClient().version}, daemon {{.Server.Version}}\n`;
  const env = { DOCKER_HOST: host };
  writeFileSync(
    join(GOLDEN, "docker", "version"),
    await must([client, "version", "-f", version.trim()], { env }),
  );
} else {
  const ours = OURS.find((each) => each === whose);
  if (ours === undefined) throw new Error("see the head of this file");
  const engine = await Engine.start();
  try {
    const client = ours === "gantry" ? stockClient().path : GANTRY;
    await record({ client, host: engine.host }, sections, (section, steps) =>
      writeOurs(ours, section, steps),
    );
  } finally {
    await engine.close();
  }
}
