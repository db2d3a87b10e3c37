/** Loading archives into a store, and seeing that a refused one has left nothing. */
import { expect } from "bun:test";
import { Readable } from "node:stream";
import { isCategory } from "../../../base/errors.ts";
import { rejection } from "../../../base/testing/rejection.ts";
import type { LoadedImage } from "../images.ts";
import { type ArchiveImage, layerOf } from "./archives.ts";
import type { TestStore } from "./store.ts";

export const NEVER = new AbortController().signal;
export const BASE = layerOf([
  { name: "etc/", kind: "directory" },
  { name: "etc/os", content: "base" },
]);
export const TOP = layerOf([{ name: "etc/os", content: "top" }]);
export const APP: ArchiveImage = { names: ["app:1"], layers: [BASE, TOP] };

export function streamOf(bytes: Uint8Array, pieceBytes = 700): Readable {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes));
  return Readable.from(pieces);
}

export async function loadInto(store: TestStore, archive: Uint8Array): Promise<readonly LoadedImage[]> {
  return await store.images.load(streamOf(archive), NEVER);
}

export async function expectRefusal(
  store: TestStore,
  archive: Uint8Array,
  message: string | RegExp,
): Promise<void> {
  const before = store.files();
  const error = await rejection(loadInto(store, archive));
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain("\n");
  expect(isCategory(error, "invalid_argument")).toBe(true);
  await store.snapshots.settled();
  expect(store.files()).toEqual(before);
  expect(store.leases.active()).toEqual([]);
}
