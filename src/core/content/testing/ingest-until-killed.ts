/**
 * Writes the same blob in a named ingest for ever, going on where an earlier run was killed. Arguments: the store's root.
 * Says "ready" once it has begun.
 */
import { NO_LOG } from "../../../base/log.ts";
import { openContent } from "../local-store.ts";
import { BLOB_BYTES, BLOB_DIGEST, BLOB_NAME, blobBytes } from "./long-blob.ts";

const [, , root] = process.argv;
if (root === undefined) throw new Error("usage: ingest-until-killed.ts ROOT");
const content = openContent(root, NO_LOG);
console.log("ready");
for (let round = 0; ; round++) {
  let ingest = await content.begin({ holdBlob: () => {} }, BLOB_NAME);
  while (ingest.sizeBytes < BLOB_BYTES) {
    await ingest.write(blobBytes(ingest.sizeBytes, 100_000 + round));
    if (ingest.sizeBytes % 7 !== 0) continue;
    await ingest.suspend();
    ingest = await content.begin({ holdBlob: () => {} }, BLOB_NAME);
  }
  await ingest.commit({ digest: BLOB_DIGEST });
  await content.delete(BLOB_DIGEST);
}
