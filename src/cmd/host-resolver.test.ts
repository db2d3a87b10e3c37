import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostResolver } from "./host-resolver.ts";

test("a file by name counts instead of the host's, as it is, and need not be there", () => {
  const directory = mkdtempSync(join(tmpdir(), "gantry-resolver-"));
  try {
    const path = join(directory, "resolv.conf");
    expect(hostResolver(path)).toEqual({ path, text: "" });
    writeFileSync(path, "nameserver 127.0.0.53\n");
    expect(hostResolver(path)).toEqual({ path, text: "nameserver 127.0.0.53\n" });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
