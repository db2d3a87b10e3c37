/** The image of all containers of the comparison, as an archive: three servers that say whom they see. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../support/engine.ts";
import { busyboxRoot, dockerArchive } from "../../support/images.ts";
import { must } from "../../support/run.ts";
import { IMAGE } from "./world.ts";

const STORE = join(ROOT, "build", "test-images");

export async function probeArchive(): Promise<string> {
  const path = join(STORE, "lan-probe.tar");
  if (existsSync(path)) return path;
  const base = await busyboxRoot();
  const work = mkdtempSync(join(STORE, "work-"));
  try {
    const tree = join(work, "tree");
    mkdirSync(join(tree, "www", "cgi-bin"), { recursive: true });
    const who = join(tree, "www", "cgi-bin", "who");
    writeFileSync(who, "#!/bin/sh\nprintf 'Content-type: text/plain\\r\\n\\r\\n%s' \"$REMOTE_ADDR\"\n");
    chmodSync(who, 0o755);
    const layer = join(work, "layer.tar");
    await must([
      "tar",
      "-C",
      tree,
      "--sort=name",
      "--mtime=@0",
      "--owner=0",
      "--group=0",
      "-cf",
      layer,
      "www",
    ]);
    const servers = [80, 81, 82].map((port) => `httpd -p ${port} -h /www`).join("; ");
    const target = join(work, "image.tar");
    await dockerArchive({
      work: join(work, "archive"),
      target,
      names: [IMAGE],
      layers: [base, layer],
      config: { Cmd: ["sh", "-c", `${servers}; exec sleep 100000`], Env: ["PATH=/bin"] },
    });
    renameSync(target, path);
    return path;
  } finally {
    rmSync(work, { recursive: true });
  }
}
