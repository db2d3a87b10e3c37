import type { ArchiveImage } from "./archives.ts";
import { layerOf } from "./archives.ts";

/** Two images that share a layer and are large enough for a kill to find them half-done. */
export function crashImages(): ArchiveImage[] {
  const layer = (name: string) => layerOf([{ name, content: name.repeat(60_000) }]);
  const base = layer("base");
  return [
    { names: ["crash:0"], layers: [base, layer("zero")] },
    { names: ["crash:1"], layers: [base, layer("one"), layer("more")] },
  ];
}
