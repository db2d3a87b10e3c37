/** A registry on the stores below the directory given, in a process of its own: says its port, and runs until killed. */
import { join } from "node:path";
import { NO_LOG } from "../../base/log.ts";
import { openContent } from "../../core/content/local-store.ts";
import { MemoryLeases } from "../../core/metadata/memory-leases.ts";
import { openMetadata } from "../../core/metadata/sqlite-metadata.ts";
import { listenPlain } from "../listen.ts";
import { createRegistry } from "../registry.ts";

const root = process.argv[2] ?? "";
const registry = createRegistry({
  content: openContent(join(root, "content"), NO_LOG),
  metadata: openMetadata({
    path: join(root, "metadata.db"),
    onDamaged: (_, reason) => {
      throw new Error(`the metadata is damaged: ${reason}`);
    },
  }),
  leases: new MemoryLeases(),
  log: NO_LOG,
});
const { port } = await listenPlain(registry, { host: "127.0.0.1", port: 0 });
process.stdout.write(`${port}\n`);
