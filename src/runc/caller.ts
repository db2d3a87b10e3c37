/**
 * The process that a verb is performed for, and what can only be done in it. Usually that is this one (`ownCaller`); with a
 * resident compiler it is the launcher at the other end of a connection (`resident/`, docs/decisions/0012).
 */
import { appendFileSync } from "node:fs";
import type { KernelFacts } from "../linux/host-facts.ts";
import { checkInherited } from "../linux/inherited-descriptors.ts";
import type { Native } from "../linux/native.ts";
import type { ProcessIdentity } from "../linux/process-state.ts";
import { identityOf } from "./container.ts";
import { sleepMs, writeAll } from "./files.ts";

export interface Successor {
  /** Encoded. */
  readonly plan: Uint8Array | undefined;
  /** Its arguments, when the descriptor is known that it finds the plan at. */
  readonly argv: (planFd: number | undefined) => readonly string[];
  /** Descriptors from 3 up that go on to it. */
  readonly preserved: readonly number[];
}

export interface Caller {
  readonly pid: number;
  identity(): ProcessIdentity;

  /** What is known of the host already, for `readHostFacts`. */
  readonly kernel: KernelFacts | undefined;

  /** To its standard output or error. */
  write(stream: 1 | 2, text: string): void;

  /** To the end of a file, made if missing. Throws the system's error. */
  append(file: string, text: string): void;

  /** Before anything that only the caller's own process can do, or that takes long. A resident compiler gives up here. */
  ownProcess(why: string): void;

  /**
   * Before the first change to the host. A resident compiler asks here whether its caller still waits; what was looked at
   * before may have changed meanwhile, as it may at any time.
   */
  begin(): void | Promise<void>;

  /** Files that are made until the next await get the caller's mode mask. */
  assumeUmask(): void;

  sleep(ms: number): void | Promise<void>;

  /** Throws `invalid_argument` unless each was handed to it when it was started. */
  checkInherited(descriptors: readonly number[]): void;

  /**
   * The caller goes on as the C program. Does not return when that is this process; else returns the exit code 0 at once.
   * Throws what the kernel says against it; nothing has been done then.
   */
  become(successor: Successor): number;
}

const LONG_DOCUMENT = 256 << 10;

/** Decoding and compiling it takes so long that others would wait for it. */
export function leaveLongDocument(caller: Caller, text: string): void {
  if (text.length > LONG_DOCUMENT) caller.ownProcess("a long document");
}

/** This process. `openFiles`: the soft limit that it was started with. */
export function ownCaller(shim: string, native: () => Native, openFiles: number | undefined): Caller {
  return {
    pid: process.pid,
    identity: () => identityOf(process.pid),
    kernel: undefined,
    write: writeAll,
    append: appendFileSync,
    ownProcess() {},
    begin() {},
    assumeUmask() {},
    sleep: sleepMs,
    checkInherited: (descriptors) => checkInherited(descriptors),
    become({ plan, argv, preserved }) {
      const executable = native().sealedExecutable(shim);
      const planFd = plan === undefined ? undefined : native().memfd("plan", plan);
      return native().replaceProcess({
        executable,
        argv: argv(planFd),
        env: [],
        keep: planFd === undefined ? preserved : [...preserved, planFd],
        openFiles,
      });
    },
  };
}
