/**
 * Loads, tags and removes the same few images for ever, for a test that kills it at any moment. Arguments: the store's
 * root. Says "ready" once it has begun.
 */
import { Readable } from "node:stream";
import { crashImages } from "./crash-images.ts";
import { dockerArchive } from "./archives.ts";
import { openStore } from "./store.ts";

const [, , root] = process.argv;
if (root === undefined) throw new Error("usage: load-until-killed.ts ROOT");
const signal = new AbortController().signal;
const store = await openStore(root);
const archives = crashImages().map((image) => dockerArchive([image]));
console.log("ready");
for (let round = 0; ; round++) {
  await Promise.all(archives.map((archive) => store.images.load(Readable.from([archive]), signal)));
  store.images.tag(store.images.resolve("crash:0"), `crash:extra${round % 3}`);
  for (const image of store.images.list()) if (round % 2 === 0) await store.images.remove(image.id);
}
