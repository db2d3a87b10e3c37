/**
 * Forwarders: processes that take what is sent to sockets of the host on to a container's address, where the kernel does not
 * translate it (native/include/forward.h). Here one is told what to do and started; what is to be forwarded is decided elsewhere.
 *
 * A forwarder outlives this process. It works in the network namespace of its starter, has no capabilities and no files, and is seen as
 * `fw-<12 digits of the owner>` (comm) and `gantry-shim forward OWNER` (cmdline). It ends by itself soon after the watched process has, and
 * at once by a signal: ending it needs no farewell.
 *
 * On crash: it begins to accept only after `keep` has resolved, and ends when this process does before that. So whoever comes
 * later either finds the pidfd that was kept, or there is no forwarder. A forwarder that was killed takes its connections along; its sockets
 * are the caller's as well, and another may be started with them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { Socket } from "node:net";
import { BinaryReader, BinaryWriter } from "../base/binary.ts";
import { withDeadline } from "../base/deadline.ts";
import { errnoName, errnoText } from "../base/errno.ts";
import { fail } from "../base/errors.ts";
import type { PortProtocol } from "../specs/engine/port.ts";
import type { Native } from "./native.ts";

export interface ForwarderSocket {
  readonly protocol: PortProtocol;
  /**
   * Bound, and listening for TCP. It stays the caller's; a copy is taken before `startForwarder` resolves. While the caller has it,
   * the port is taken, and who connects when the forwarder has ended waits for another.
   */
  readonly fd: number;
  readonly target: {
    /** 4 or 16 bytes. */
    readonly address: Uint8Array;
    readonly port: number;
  };
}

export interface ForwarderLimits {
  /** Of TCP: more wait in the backlogs until one ends. */
  readonly maxConnections: number;
  /** Of UDP: one more ends the one that was quiet for longest. */
  readonly maxFlows: number;
  readonly flowTimeoutMs: number;
  /** How long a connection is quiet before it is asked whether it is still there; 0 = it never is. */
  readonly keepAliveSeconds: number;
  /** What is on the way when the container ends has so long to come through. */
  readonly drainMs: number;
}

/** Times as Docker's. */
export const FORWARDER_LIMITS: ForwarderLimits = {
  maxConnections: 16_384,
  maxFlows: 4096,
  flowTimeoutMs: 90_000,
  keepAliveSeconds: 15,
  drainMs: 2000,
};

export interface ForwarderWish {
  /** Whose it is: the container's id. */
  readonly owner: string;
  readonly sockets: readonly ForwarderSocket[];
  /** The pidfd of the container's process; stays the caller's. */
  readonly watch: number;
  readonly limits?: ForwarderLimits;
  /**
   * Puts the forwarder's pidfd where the next daemon finds it: `Task.keep`. The descriptor is closed when the promise is settled. A
   * rejection ends the forwarder and is `startForwarder`'s.
   */
  keep(pidfd: number): Promise<void>;
}

export interface Forwarder {
  readonly pid: number;
  /** How it ended, in words, while this process lives to see it. Never rejects. */
  readonly ended: Promise<string>;
}

export const FORWARD_MAGIC = 0x3144_4647;
export const FORWARD_MAX_ENTRIES = 4096;
const GO = 0x67;
const READY = 1;
const REFUSED = 2;
const PROTOCOLS: Readonly<Record<Exclude<PortProtocol, "sctp">, number>> = { tcp: 6, udp: 17 };

const DAEMON_FD = 3;
const HEADER_BYTES = 8;
const MAX_ANSWER_BYTES = 4096;
const START_TIMEOUT_MS = 10_000;

/** Whether a forwarder can serve it: SCTP's messages and streams would not come through. */
export function isForwardable(protocol: PortProtocol): protocol is Exclude<PortProtocol, "sctp"> {
  return protocol !== "sctp";
}

/** Throws `invalid_argument` for what no forwarder takes. Pure. */
export function encodeForwarderPlan({
  sockets,
  watch,
  limits = FORWARDER_LIMITS,
}: Omit<ForwarderWish, "keep" | "owner">): Uint8Array {
  if (sockets.length === 0 || sockets.length > FORWARD_MAX_ENTRIES)
    throw fail("invalid_argument", `cannot forward from ${sockets.length} sockets`);
  const plan = new BinaryWriter()
    .u32(FORWARD_MAGIC)
    .u32(limits.maxConnections)
    .u32(limits.maxFlows)
    .u32(limits.flowTimeoutMs)
    .u32(limits.keepAliveSeconds)
    .u32(limits.drainMs)
    .u32(watch)
    .u32(sockets.length);
  for (const { protocol, fd, target } of sockets) {
    if (!isForwardable(protocol)) throw fail("invalid_argument", `cannot forward ${protocol}`);
    plan.u32(PROTOCOLS[protocol]).u32(fd).u32(target.port).blob(target.address);
  }
  return plan.bytes();
}

/**
 * Resolves when it accepts. Throws `invalid_argument` as above, `unavailable` when it cannot be started or refuses (naming why); then there
 * is no process.
 */
export async function startForwarder(
  native: Pick<Native, "pidfdOpen" | "closeFd">,
  shim: string,
  wish: ForwarderWish,
): Promise<Forwarder> {
  const plan = encodeForwarderPlan(wish);
  const child = start(shim, wish.owner);
  const ended = endOf(child);
  const control = child.stdio[DAEMON_FD];
  const { pid } = child;
  if (!(control instanceof Socket) || pid === undefined)
    throw fail("unavailable", `cannot start a forwarder: ${await ended}`);
  control.on("error", () => {}); // its end says as much
  try {
    control.write(new BinaryWriter().u32(plan.length).bytes());
    control.write(plan);
    await withDeadline("starting a forwarder", START_TIMEOUT_MS, readiness(control));
    await kept(native, pid, wish);
    await written(control, Uint8Array.of(GO));
    child.unref();
    return { pid, ended };
  } catch (error) {
    child.kill("SIGKILL");
    await ended;
    throw error;
  } finally {
    control.destroy();
  }
}

/**
 * Whether the process of a pidfd that was kept is still at work. One that has ended may be there for long: where nobody takes care of
 * orphans (a program that is process 1 of a container, say) its remains answer to signals.
 */
export function isForwarderAlive(native: Pick<Native, "pidfdHasEnded">, pidfd: number): boolean {
  return !native.pidfdHasEnded(pidfd);
}

function start(shim: string, owner: string): ChildProcess {
  try {
    return spawn(shim, ["forward", owner], {
      argv0: "gantry-shim",
      cwd: "/",
      detached: true,
      env: {},
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    });
  } catch (cause) {
    throw fail("unavailable", `cannot start "${shim}"`, cause);
  }
}

function endOf(child: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  child.once("error", (error) => resolve(error.message));
  child.once("exit", (code, signal) =>
    resolve(signal === null ? `exit status ${code ?? "unknown"}` : `killed by ${signal}`),
  );
  return promise;
}

/** Its answer: one frame. */
async function readiness(control: Socket): Promise<void> {
  let answer: Buffer = Buffer.alloc(0);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  control.on("data", (chunk: Buffer) => {
    answer = Buffer.concat([answer, chunk]);
    if (answer.length > MAX_ANSWER_BYTES) reject(fail("unavailable", "a forwarder says too much"));
    else if (answer.length >= HEADER_BYTES && answer.length >= HEADER_BYTES + answer.readUInt32LE(0))
      resolve();
  });
  control.once("close", () => reject(fail("unavailable", "a forwarder ended before it was ready")));
  await promise;
  const kind = answer.readUInt16LE(4);
  if (kind === READY) return;
  if (kind !== REFUSED) throw fail("unavailable", `a forwarder answers with ${kind}`);
  const reason = new BinaryReader(answer.subarray(HEADER_BYTES));
  const errno = reason.u32();
  const text = reason.str();
  throw fail("unavailable", `${text}${errno === 0 ? "" : `: ${errnoText(errnoName(errno))}`}`);
}

async function kept(
  native: Pick<Native, "pidfdOpen" | "closeFd">,
  pid: number,
  wish: ForwarderWish,
): Promise<void> {
  const pidfd = native.pidfdOpen(pid);
  try {
    await wish.keep(pidfd);
  } finally {
    native.closeFd(pidfd);
  }
}

async function written(control: Socket, bytes: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  control.write(bytes, (error) => {
    if (error instanceof Error) reject(fail("unavailable", "a forwarder ended before it began", error));
    else resolve();
  });
  await promise;
}
