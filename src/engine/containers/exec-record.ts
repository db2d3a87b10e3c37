/** One exec: a further process in a running container. In memory only; it ends with its container. */
import type { ExecConfig } from "../../specs/engine/exec.ts";

export interface Exec {
  readonly id: string;
  /** What its process is called by its task. */
  readonly processId: string;
  readonly containerId: string;
  readonly config: ExecConfig;
  phase: "created" | "starting" | "running" | "ended";
  /** Null until it has ended. */
  exitCode: number | null;
  /** 0 = not started. */
  pid: number;
  /** The last terminal size asked for before the start. */
  consoleSize: readonly [number, number];
  /** Until it is forgotten, once it has ended. */
  expiry: NodeJS.Timeout | undefined;
}
