/**
 * Thrown by what works for other processes, when the work needs a process of the caller's own: not a failure. Nothing has been
 * changed then.
 */
export class OwnProcessNeeded extends Error {}
