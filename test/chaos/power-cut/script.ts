/** What clients do to the images of an engine while its disk is recorded, and what they may rely on after each answer. */
import type { ImageWorld } from "../image-world.ts";
import type { Step } from "./timeline.ts";

/** Now, as the disk sees it. */
export type Clock = () => number;

type Changes = ReadonlyMap<string, string | undefined>;

interface Request {
  readonly command: readonly string[];
  /** What it means when it was answered with success. */
  readonly changes: (output: string) => Changes;
}

/** Container data whose sums lie beside it, as those of the images' layers do (chaos-image.ts). */
const WRITE_DATA =
  "mkdir -p /sums && dd if=/dev/urandom of=/data bs=64k count=20 2>/dev/null && sha256sum /data > /sums/data";

const image = (name: string): string => `image ${name}`;
const container = (name: string): string => `container ${name}`;

/** Plays it and answers what was done when. A request that fails ends it. */
export async function playScript(world: ImageWorld, now: Clock): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for (const requests of scriptOf(world))
    await Promise.all(
      requests.map(async ({ command, changes }) => {
        const startsAt = now();
        const output = await world.engine.ok(command);
        steps.push({ name: command.join(" "), startsAt, endsAt: now(), changes: changes(output) });
      }),
    );
  return steps;
}

/** One after the other; those of one line at the same time. */
function scriptOf({ remote, archive, ids }: ImageWorld): readonly (readonly Request[])[] {
  const [first, second] = remote.map(({ name }) => name);
  if (first === undefined || second === undefined) throw new Error("the registry has too few images");
  const gone = (...names: string[]): Changes => new Map(names.map((name) => [name, undefined]));
  const there = (...names: string[]): Changes => new Map(names.map((name) => [image(name), ids.get(name)]));
  const says = (command: readonly string[], changes: Changes = new Map()): Request => ({
    command,
    changes: () => changes,
  });
  const pull = (name: string): Request => says(["pull", "-q", name], there(name));
  const load = says(["load", "-q", "-i", archive], there("loaded:latest", "second:latest"));
  const remove = (name: string): Request => says(["rmi", "-f", name], gone(image(name)));
  const create = (name: string, from: string): Request => ({
    command: ["create", "--name", name, "--network", "none", from, "sleep", "100000"],
    changes: (id) => new Map([[container(name), id]]),
  });
  const commit = (name: string): Request => ({
    command: ["commit", "keeper", name],
    changes: (id) => new Map([[image(name), id]]),
  });
  return [
    [create("keeper", "busybox")],
    [says(["start", "keeper"])],
    [pull(first)],
    [says(["exec", "keeper", "sh", "-c", WRITE_DATA])],
    [commit("committed:latest"), load],
    [says(["run", "--rm", "--network", "none", first])],
    [remove(first), pull(second)],
    [create("beside", second)],
    [
      says(
        ["tag", "loaded:latest", "tagged:latest"],
        new Map([[image("tagged:latest"), ids.get("loaded:latest")]]),
      ),
    ],
    [remove("loaded:latest"), pull(first)],
    [says(["rm", "beside"], gone(container("beside")))],
    [
      says(
        ["image", "prune", "-af"],
        gone(...[first, second, "second:latest", "tagged:latest", "committed:latest"].map(image)),
      ),
    ],
    [load, pull(second)],
    [says(["exec", "keeper", "sh", "-c", WRITE_DATA])],
    [remove("second:latest"), commit("committed:latest")],
    [pull(first)],
    [
      says(
        ["system", "prune", "-af"],
        gone(...[first, second, "loaded:latest", "committed:latest"].map(image)),
      ),
    ],
    [pull(first), pull(second), load],
  ];
}
