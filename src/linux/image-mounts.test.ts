import { expect, test } from "bun:test";
import { listImageMounts } from "./image-mounts.ts";

const HEX = "ab".repeat(32);

test("mounted images are found by their source, wherever they are", () => {
  const mountinfo = [
    "22 1 0:21 / / rw,relatime - ext4 /dev/vda rw",
    `30 22 0:51 / /run/gantry/images/${HEX} ro,nosuid - overlay gantry-image:${HEX} ro,lowerdir=0:1`,
    `31 22 0:52 / /mnt/with\\040blank\\012and\\134more ro shared:1 - overlay gantry-image:${HEX} ro`,
    `32 22 0:53 / /mnt/other ro - overlay gantry-image:nonsense ro`,
    `33 22 0:54 / /mnt/gantry-image:${HEX} ro - overlay overlay ro`,
    "",
  ].join("\n");
  expect(listImageMounts(mountinfo)).toEqual([
    { id: `sha256:${HEX}`, directory: `/run/gantry/images/${HEX}` },
    { id: `sha256:${HEX}`, directory: "/mnt/with blank\nand\\more" },
  ]);
});
