import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { busyboxArchive, busyboxRoot, debianArchive, sha256 } from "../../support/images.ts";
import { must } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";

/** An OCI image layout with one layer, as a tar: written from the image specification, not by our own code. */
async function ociArchive(dir: string, name: string, compression: "gzip" | "zstd" | "none"): Promise<string> {
  const blobs = join(dir, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const add = (bytes: Uint8Array): { digest: string; size: number } => {
    const digest = sha256(bytes);
    writeFileSync(join(blobs, digest), bytes);
    return { digest: `sha256:${digest}`, size: bytes.length };
  };
  const root = await busyboxRoot();
  const layerFile = join(dir, "layer");
  if (compression === "none") copyFileSync(root, layerFile);
  else await must(["sh", "-c", `${compression} -c "$0" > "$1"`, root, layerFile]);
  const layer = add(readFileSync(layerFile));
  rmSync(layerFile);
  const config = add(
    Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: { Cmd: ["sh"], Env: ["PATH=/bin"] },
        rootfs: { type: "layers", diff_ids: [`sha256:${sha256(readFileSync(root))}`] },
      }),
    ),
  );
  const oci = "application/vnd.oci.image";
  const suffix = compression === "none" ? "" : `+${compression}`;
  const manifest = add(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: `${oci}.manifest.v1+json`,
        config: { mediaType: `${oci}.config.v1+json`, ...config },
        layers: [{ mediaType: `${oci}.layer.v1.tar${suffix}`, ...layer }],
      }),
    ),
  );
  writeFileSync(join(dir, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(dir, "index.json"),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [
        {
          mediaType: `${oci}.manifest.v1+json`,
          ...manifest,
          annotations: { "io.containerd.image.name": `docker.io/library/${name}:1` },
        },
      ],
    }),
  );
  const target = `${dir}.tar`;
  await must(["tar", "-C", dir, "-cf", target, "oci-layout", "index.json", "blobs"]);
  return target;
}

engineSuite("archives", {}, (engine) => {
  const load = (archive: string) => engine().ok(["load", "-i", archive]);
  const runs = async (image: string): Promise<void> => {
    expect(await engine().ok(["run", "--rm", "--network", "none", image, "echo", "runs"])).toBe("runs");
    await engine().ok(["rmi", "-f", image]);
  };

  for (const compression of ["none", "gzip", "zstd"] as const) {
    test(`an OCI layout with a layer compressed by: ${compression}`, async () => {
      const name = `oci-${compression}`;
      const archive = await ociArchive(join(engine().dir, name), name, compression);
      expect(await load(archive)).toBe(`Loaded image: ${name}:1`);
      await runs(`${name}:1`);
    });
  }

  for (const compression of ["gzip", "zstd"] as const) {
    test(`a docker-archive that is compressed as a whole by: ${compression}`, async () => {
      const archive = join(engine().dir, `whole.${compression}`);
      await must(["sh", "-c", `${compression} -c "$0" > "$1"`, await busyboxArchive(), archive]);
      expect(await load(archive)).toBe("Loaded image: busybox:latest");
    });
  }

  test("an archive from standard input", async () => {
    const input = readFileSync(await busyboxArchive());
    expect(await engine().ok(["load"], { input })).toBe("Loaded image: busybox:latest");
  });

  test("import takes a root file system and changes, also compressed", async () => {
    const archive = join(engine().dir, "root.tar.gz");
    await must(["sh", "-c", 'gzip -c "$0" > "$1"', await busyboxRoot(), archive]);
    const id = await engine().ok([
      "import",
      "-c",
      "ENV A=b",
      "-c",
      'CMD ["sh","-c","echo $A"]',
      archive,
      "imported:1",
    ]);
    expect(await engine().ok(["inspect", "-f", "{{.Id}}", "imported:1"])).toBe(id);
    expect(await engine().ok(["run", "--rm", "--network", "none", "imported:1"])).toBe("b");
    await engine().ok(["rmi", "imported:1"]);
  });
});

engineSuite("a Debian root", { needs: ["debootstrap"] }, (engine) => {
  test("loads, runs its shell and knows its users", async () => {
    await engine().ok(["load", "-q", "-i", await debianArchive(0)], { timeoutMs: 60_000 });
    const output = await engine().ok([
      "run",
      "--rm",
      "--network",
      "none",
      "-u",
      "www-data",
      "debian:0",
      "bash",
      "-c",
      "id -un; cat /etc/debian_version",
    ]);
    expect(output).toMatch(/^www-data\n13/);
    await engine().ok(["rmi", "debian:0"]);
  }, 900_000);
});
