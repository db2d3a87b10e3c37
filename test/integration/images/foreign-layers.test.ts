/** Layers that their maker keeps: pulled from where the manifest says, and not pushed anywhere else. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { dockerArchive } from "../../../src/core/images/testing/archives.ts";
import { sha256Of } from "../../../src/specs/oci-image/digest.ts";
import { baseLayer, chaosImage, randomLayer } from "../../chaos/chaos-image.ts";
import { expectNoProblems } from "../../chaos/image-truth.ts";
import { expectItRuns } from "../../chaos/image-use.ts";
import { TestRegistry } from "../../support/registry.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";

const TYPE = "application/vnd.docker.distribution.manifest.v2+json";

engineSuite("foreign layers", { registries: true }, (engine) => {
  const ok = (...args: string[]): Promise<string> => engine().ok(args);
  const curl = (...args: string[]): Promise<string> =>
    must(["nsenter", `--net=/proc/${engine().pid}/ns/net`, "curl", "-sS", ...args]);

  test("are pulled from their URLs, run, and are left out of a push", async () => {
    await using registry = await TestRegistry.start(engine(), { kind: "gantry", port: 5000 });
    await using maker = await TestRegistry.start(engine(), { kind: "gantry", port: 5001 });
    const image = chaosImage([await baseLayer(), randomLayer("kept", 2, 100_000)], "foreign");
    const file = join(engine().dir, "foreign.tar");
    writeFileSync(file, dockerArchive([{ names: [`${maker.host}/kept:1`], ...image }]));
    await ok("load", "-q", "-i", file);
    await ok("push", "-q", `${maker.host}/kept:1`);
    await ok("rmi", `${maker.host}/kept:1`);

    // The same image in the other registry, where nothing of it is but the configuration.
    const url = (digest: string): string => `http://${maker.host}/v2/kept/blobs/${digest}`;
    const config = join(engine().dir, "config.json");
    const manifest = join(engine().dir, "manifest.json");
    writeFileSync(config, image.config);
    const document = {
      schemaVersion: 2,
      mediaType: TYPE,
      config: {
        mediaType: "application/vnd.docker.container.image.v1+json",
        size: image.config.length,
        digest: image.id,
      },
      layers: image.layers.map(({ blob, digest }) => ({
        mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        size: blob.length,
        digest,
        urls: [`http://${maker.host}/nothing`, url(digest)],
      })),
    };
    writeFileSync(manifest, JSON.stringify(document));
    const upload = /location: (\S+)/i.exec(
      await curl("-D-", "-X", "POST", `http://${registry.host}/v2/app/blobs/uploads/`),
    )?.[1];
    const target = new URL(upload ?? "", `http://${registry.host}`);
    target.searchParams.set("digest", image.id);
    await curl("-f", "-T", config, target.href);
    await curl(
      "-f",
      "-T",
      manifest,
      "-H",
      `Content-Type: ${TYPE}`,
      `http://${registry.host}/v2/app/manifests/1`,
    );

    const name = `${registry.host}/app:1`;
    await ok("pull", name);
    await expectItRuns(engine(), name);
    await ok("tag", name, `${registry.host}/copy:1`);
    const pushed = await ok("push", `${registry.host}/copy:1`);
    expect(pushed.match(/Skipped foreign layer/g)?.length, pushed).toBe(2);
    expect(pushed).toContain(sha256Of(JSON.stringify(document)));
    const [{ digest } = { digest: "" }] = image.layers;
    const status = await curl(
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      `http://${registry.host}/v2/copy/blobs/${digest}`,
    );
    expect(status).toBe("404");
    await expectNoProblems(engine());

    // One that lies.
    const layers = document.layers.map((layer, i) =>
      i === 1 ? { ...layer, urls: [url(image.layers[0]?.digest ?? "")] } : layer,
    );
    writeFileSync(manifest, JSON.stringify({ ...document, layers }));
    await curl(
      "-f",
      "-T",
      manifest,
      "-H",
      `Content-Type: ${TYPE}`,
      `http://${registry.host}/v2/app/manifests/2`,
    );
    await ok("rmi", "-f", name, `${registry.host}/copy:1`);
    const done = await engine().gantry(["pull", "-q", `${registry.host}/app:2`]);
    expect([done.code, done.stderr.trim().split("\n").length]).toEqual([1, 1]);
    expect(done.stderr).toMatch(/were announced/);
    await expectNoProblems(engine());
  }, 60_000);
});
