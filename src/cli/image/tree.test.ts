import { expect, test } from "bun:test";
import { drawTree } from "./tree.ts";
import { treeView } from "./tree-view.ts";

const image = (id: string, name: string, size: number, layers: readonly string[]) => ({
  Id: `sha256:${id.repeat(64)}`,
  RepoTags: name === "" ? [] : [name],
  Size: size,
  RootFS: { Layers: layers.map((layer) => `sha256:${layer.repeat(64)}`) },
});

/** Newest first, as the engine tells it. */
const history = (...steps: readonly (readonly [string, number])[]) =>
  steps.map(([CreatedBy, Size]) => ({ CreatedBy, Size }));

test("drawTree() shows each layer with its step, and who stands on it", () => {
  const app = image("1", "app:1", 3_500_000, ["a", "b"]);
  const steps = history(["CMD [app]", 0], ["COPY app /\x1b[2J", 500_000], ["FROM base", 3_000_000]);
  const others = [image("2", "web:1", 3_000_000, ["a", "c"]), image("3", "", 0, ["b", "a"])];
  expect(drawTree(app, steps, others, true)).toBe(
    `app:1 111111111111  3.5MB (shared 3MB, unique 500kB)
├─ aaaaaaaaaaaa      3MB  shared with web:1  FROM base
└─ bbbbbbbbbbbb    500kB  unique  COPY app /\ufffd[2J
`,
  );
});

test("drawTree() gives no step to layers when the history does not say which", () => {
  const app = image("1", "", 2, ["a", "b"]);
  const drawn = drawTree(app, history(["x", 1], ["y", 0], ["z", 0]), [], false);
  expect(drawn).toContain(`├─ sha256:${"a".repeat(64)}`);
  expect(drawn.split("\n")[0]).toBe("111111111111 111111111111  2B (shared 0B, unique 2B)");
});

const manifest = (architecture: string, available: boolean, used: readonly string[] = []) => ({
  ID: `sha256:${architecture === "amd64" ? "d".repeat(64) : "e".repeat(64)}`,
  Kind: "image",
  Available: available,
  Size: { Content: available ? 1000 : 0, Total: available ? 4000 : 0 },
  ImageData: { Platform: { os: "linux", architecture }, Containers: used },
});

test("treeView() shows platforms below their name, those that are not here too", () => {
  const images = [
    {
      ...image("1", "multi:1", 3000, []),
      Containers: 1,
      Descriptor: { digest: `sha256:${"f".repeat(64)}` },
      Manifests: [
        manifest("amd64", true, ["c1"]),
        manifest("arm64", false),
        { ...manifest("x", true), Kind: "attestation" },
      ],
    },
    { ...image("2", "", 7000, []), Containers: 0 },
  ];
  expect(treeView(images, true)).toBe(
    `Info →   U  In Use
IMAGE            ID             DISK USAGE   CONTENT SIZE   EXTRA
multi:1          ffffffffffff   4kB          1kB            U
├─ linux/amd64   dddddddddddd   4kB          1kB            U
└─ linux/arm64   eeeeeeeeeeee   -            -              
<untagged>       222222222222   7kB          -              
`,
  );
});
