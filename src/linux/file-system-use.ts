/** How full a file system is, as `df` tells it: what only root may still use counts as used. */
import { statfs } from "node:fs/promises";

export interface FileSystemUse {
  /** What users can have of it in all. */
  readonly totalBytes: number;
  readonly usedBytes: number;
}

export async function fileSystemUse(path: string): Promise<FileSystemUse> {
  const { blocks, bfree, bavail, bsize } = await statfs(path);
  const usedBytes = (blocks - bfree) * bsize;
  return { totalBytes: usedBytes + bavail * bsize, usedBytes };
}
