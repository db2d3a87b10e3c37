import { errnoOf } from "./errors.ts";

/** strerror's words, in which a child process that met ENOSPC or EDQUOT tells of it. */
const SAID_BY_CHILD = /No space left on device|Disk quota exceeded/;

/** Whether an error, or what it was caused by, says that the disk or a quota is full. */
export function isDiskFull(error: unknown): boolean {
  // Eight links are more than any chain of causes of ours has; a cycle ends there too.
  let current = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    const errno = errnoOf(current);
    if (errno === "ENOSPC" || errno === "EDQUOT" || SAID_BY_CHILD.test(current.message)) return true;
    current = current.cause;
  }
  return false;
}

/** Who can make room on a full disk. */
export interface Room {
  /** How often something went. */
  readonly times: number;

  /**
   * Deletes what may go and nothing else. True when something went, now or since the caller's work began: `seen` is what `times`
   * was then. (Two may meet the same full disk, and the second hear of it when the first has made the room for both.) Never
   * rejects. Calls at the same time share one search.
   */
  make(seen: number): Promise<boolean>;
}

/** Once more, when the disk was full and there is room now. `work` leaves nothing behind when it fails. */
export async function withRoom<T>(room: Room | undefined, work: () => Promise<T>): Promise<T> {
  const seen = room?.times ?? 0;
  try {
    return await work();
  } catch (error) {
    if (room === undefined || !isDiskFull(error) || !(await room.make(seen))) throw error;
    return await work();
  }
}
