/** Images whose trees are meant to hurt: made from a directory that the test fills. */
import { copyFileSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "./engine.ts";
import { dockerArchive } from "./images.ts";
import { must } from "./run.ts";

/** Loads NAME: busybox and its `sh`, `cat`, `ls`, `id`, `echo`, `sleep`, `true`, and whatever `fill` puts into the tree. */
export async function hostileImage(
  engine: Engine,
  name: string,
  fill: (tree: string) => void | Promise<void>,
  config: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const dir = join(engine.dir, `image-${name}`);
  const tree = join(dir, "tree");
  mkdirSync(join(tree, "bin"), { recursive: true });
  copyFileSync("/bin/busybox", join(tree, "bin", "busybox"));
  for (const applet of ["sh", "cat", "ls", "id", "echo", "sleep", "true", "mkdir", "stat"])
    symlinkSync("busybox", join(tree, "bin", applet));
  await fill(tree);
  const layer = join(dir, "layer.tar");
  await must(["tar", "-C", tree, "--sparse", "-cf", layer, "."], { timeoutMs: 120_000 });
  const target = join(dir, "image.tar");
  await dockerArchive({
    work: join(dir, "w"),
    target,
    names: [name],
    layers: [layer],
    config: { Cmd: ["sh", "-c", "echo ran"], Env: ["PATH=/bin"], ...config },
  });
  await engine.ok(["load", "-q", "-i", target], { timeoutMs: 120_000 });
  rmSync(dir, { recursive: true });
}
