/** Whether this is Bun. The one place, with `bun-socket.ts`, that may call what only Bun has; each call has a Node twin. */
export const IS_BUN: boolean = "bun" in process.versions;
