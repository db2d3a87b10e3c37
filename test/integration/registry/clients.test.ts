/** The clients that people have, against our registry; and the same pushes to docker-registry, which must get the same digests. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { busyboxRoot, sha256 } from "../../support/images.ts";
import { must } from "../../support/run.ts";
import { OURS, Registries, THEIRS } from "../../support/registries.ts";
import { describeWith } from "../../support/requires.ts";

const OCI = "application/vnd.oci.image";

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** An OCI layout with an image of two platforms below one index, tagged "all". */
async function writeLayout(dir: string): Promise<string> {
  mkdirSync(join(dir, "blobs", "sha256"), { recursive: true });
  const add = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const hex = sha256(bytes);
    writeFileSync(join(dir, "blobs", "sha256", hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (mediaType: string, value: object): Descriptor =>
    add(mediaType, Buffer.from(JSON.stringify(value)));
  const root = await busyboxRoot();
  const layerFile = join(dir, "layer.gz");
  await must(["sh", "-c", 'gzip -nc "$0" > "$1"', root, layerFile]);
  const layer = add(`${OCI}.layer.v1.tar+gzip`, readFileSync(layerFile));
  const manifests = ["amd64", "arm64"].map((architecture) => {
    const config = json(`${OCI}.config.v1+json`, {
      architecture,
      os: "linux",
      config: { Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(readFileSync(root))}`] },
    });
    const manifest = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config, layers: [layer] };
    return { ...json(`${OCI}.manifest.v1+json`, manifest), platform: { architecture, os: "linux" } };
  });
  const index = json(`${OCI}.index.v1+json`, {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests,
  });
  writeFileSync(join(dir, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const entry = { ...index, annotations: { "org.opencontainers.image.ref.name": "all" } };
  writeFileSync(join(dir, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  return index.digest;
}

const SKOPEO = ["skopeo", "--insecure-policy"];

describeWith("clients of the registry", ["root", "busybox", "skopeo"], () => {
  let registries: Registries;
  let layout = "";
  let indexDigest = "";
  beforeAll(async () => {
    registries = await Registries.start();
    layout = join(registries.dir, "layout");
    indexDigest = await writeLayout(layout);
  }, 60_000);
  afterAll(() => registries.close());

  const copy = (words: readonly string[]): Promise<string> =>
    registries.must([...SKOPEO, "copy", "--src-tls-verify=false", "--dest-tls-verify=false", ...words], {
      timeoutMs: 60_000,
    });
  const digestAt = async (place: string): Promise<string> =>
    `sha256:${sha256(Buffer.from(await rawManifest(place)))}`;
  const rawManifest = async (place: string): Promise<string> =>
    (await registries.run([...SKOPEO, "inspect", "--tls-verify=false", "--raw", `docker://${place}`])).stdout;

  test("skopeo pushes an index with all its images and pulls the same", async () => {
    await copy(["--all", `oci:${layout}:all`, `docker://${OURS}/multi/all:1`]);
    expect(await digestAt(`${OURS}/multi/all:1`)).toBe(indexDigest);
    const back = join(registries.dir, "back");
    await copy(["--all", `docker://${OURS}/multi/all:1`, `oci:${back}:all`]);
    const index: { manifests: Descriptor[] } = JSON.parse(readFileSync(join(back, "index.json"), "utf8"));
    expect(index.manifests[0]?.digest).toBe(indexDigest);
  });

  test("skopeo lists and deletes tags", async () => {
    for (const tag of ["one", "two"]) await copy([`oci:${layout}:all`, `docker://${OURS}/tags/x:${tag}`]);
    const tags = async (): Promise<string[]> => {
      const text = await registries.must([
        ...SKOPEO,
        "list-tags",
        "--tls-verify=false",
        `docker://${OURS}/tags/x`,
      ]);
      const list: { Tags: string[] } = JSON.parse(text);
      return list.Tags;
    };
    expect(await tags()).toEqual(["one", "two"]);
    await registries.must([...SKOPEO, "delete", "--tls-verify=false", `docker://${OURS}/tags/x:one`]);
    // By digest, as skopeo does it: both tags named it.
    expect(await tags()).toEqual([]);
  });

  test("what was pushed is there after kill -9", async () => {
    await copy(["--all", `oci:${layout}:all`, `docker://${OURS}/kept/all:1`]);
    await registries.killOurs();
    await registries.startOurs();
    await copy(["--all", `docker://${OURS}/kept/all:1`, `oci:${join(registries.dir, "kept")}:all`]);
  }, 30_000);

  describeWith("beside docker-registry", ["docker-registry"], () => {
    beforeAll(() => registries.startTheirs(), 30_000);

    test.each(["oci", "v2s2"])("the same push in format %s gets the same digest", async (format) => {
      const digests: string[] = [];
      for (const registry of [OURS, THEIRS]) {
        await copy(["--format", format, `oci:${layout}:all`, `docker://${registry}/same/${format}:1`]);
        digests.push(await digestAt(`${registry}/same/${format}:1`));
      }
      expect(digests[0]).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(digests[1]).toBe(digests[0] ?? "");
    });

    test("an image goes from one to the other and back", async () => {
      await copy(["--all", `oci:${layout}:all`, `docker://${OURS}/round/all:1`]);
      await copy(["--all", `docker://${OURS}/round/all:1`, `docker://${THEIRS}/round/all:1`]);
      await copy(["--all", `docker://${THEIRS}/round/all:1`, `docker://${OURS}/round/again:1`]);
      expect(await digestAt(`${OURS}/round/again:1`)).toBe(indexDigest);
    });
  });

  describeWith("umoci", ["umoci"], () => {
    test("an image that umoci made comes back as it was", async () => {
      const made = join(registries.dir, "made");
      await registries.must(["umoci", "init", "--layout", made]);
      await registries.must(["umoci", "new", "--image", `${made}:x`]);
      const file = join(registries.dir, "file");
      writeFileSync(file, "made by umoci\n");
      await registries.must(["umoci", "insert", "--image", `${made}:x`, file, "/file"]);
      await copy([`oci:${made}:x`, `docker://${OURS}/umoci/x:1`]);
      const back = join(registries.dir, "umoci-back");
      await copy([`docker://${OURS}/umoci/x:1`, `oci:${back}:x`]);
      const bundle = join(registries.dir, "bundle");
      await registries.must(["umoci", "unpack", "--image", `${back}:x`, bundle]);
      expect(readFileSync(join(bundle, "rootfs", "file"), "utf8")).toBe("made by umoci\n");
    }, 30_000);
  });

  describeWith("podman", ["podman"], () => {
    test("pulls, pushes and pulls again", async () => {
      const policy = join(registries.dir, "policy.json");
      writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
      const at = (name: string): string => join(registries.dir, "podman", name);
      const podman = (...words: string[]): Promise<string> =>
        registries.must(
          [
            "podman",
            "--root",
            at("root"),
            "--runroot",
            at("run"),
            "--tmpdir",
            at("tmp"),
            "--storage-driver",
            "vfs",
            ...words,
          ],
          { timeoutMs: 60_000, env: { PODMAN_IGNORE_CGROUPSV1_WARNING: "1" } },
        );
      await copy(["--all", `oci:${layout}:all`, `docker://${OURS}/podman/in:1`]);
      const trust = ["--tls-verify=false", "--signature-policy", policy];
      await podman("pull", "-q", ...trust, `${OURS}/podman/in:1`);
      await podman("tag", `${OURS}/podman/in:1`, `${OURS}/podman/out:1`);
      await podman("push", "-q", ...trust, `${OURS}/podman/out:1`);
      await podman("rmi", "-a", "-f");
      await podman("pull", "-q", ...trust, `${OURS}/podman/out:1`);
      expect(await podman("image", "inspect", "--format", "{{.Config.Cmd}}", `${OURS}/podman/out:1`)).toBe(
        "[sh]",
      );
    }, 120_000);
  });

  describeWith("oras", ["oras"], () => {
    test("pushes, attaches, discovers and pulls artifacts", async () => {
      const cwd = join(registries.dir, "oras");
      mkdirSync(cwd);
      copyFileSync(join(layout, "oci-layout"), join(cwd, "art.json"));
      const oras = (...words: string[]): Promise<string> => registries.must(["oras", ...words], { cwd });
      const reference = `${OURS}/oras/art:1`;
      await oras("push", "--plain-http", reference, "art.json:application/json");
      await oras(
        "attach",
        "--plain-http",
        "--artifact-type",
        "x/sbom",
        reference,
        "art.json:application/json",
      );
      expect(await oras("discover", "--plain-http", reference)).toContain("x/sbom");
      await oras("pull", "--plain-http", "-o", "pulled", reference);
      expect(readFileSync(join(cwd, "pulled", "art.json"), "utf8")).toContain("imageLayoutVersion");
    });
  });
});
