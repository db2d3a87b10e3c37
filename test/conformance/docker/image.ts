/** The image of the comparison, from Debian's busybox: two layers, and everything that an image's configuration says. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../support/engine.ts";
import { busyboxRoot, dockerArchive } from "../../support/images.ts";
import { must } from "../../support/run.ts";

export const IMAGE = "conformance:1";

const STORE = join(ROOT, "build", "test-images");

export async function imageArchive(): Promise<string> {
  const path = join(STORE, "conformance-1.tar");
  if (existsSync(path)) return path;
  const base = await busyboxRoot();
  const work = mkdtempSync(join(STORE, "work-"));
  try {
    const tree = join(work, "tree");
    mkdirSync(join(tree, "data", "sub"), { recursive: true });
    writeFileSync(join(tree, "data", "file"), "from the image\n");
    writeFileSync(join(tree, "data", "sub", "deep"), "deep\n");
    const layer = join(work, "layer.tar");
    const plain = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
    await must(["tar", "-C", tree, ...plain, "-cf", layer, "data"]);
    const target = join(work, "image.tar");
    await dockerArchive({
      work: join(work, "archive"),
      target,
      names: [IMAGE],
      layers: [base, layer],
      config: {
        Cmd: ["sh"],
        Env: ["PATH=/bin", "MADE_BY=image"],
        Labels: { "cf.image": "yes" },
        ExposedPorts: { "80/tcp": {} },
        WorkingDir: "/",
      },
    });
    renameSync(target, path);
    return path;
  } finally {
    rmSync(work, { recursive: true });
  }
}
