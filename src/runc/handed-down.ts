/** What systemd gives to a runtime for the container: listening sockets (LISTEN_FDS) and a socket for its readiness (NOTIFY_SOCKET). */
import { join } from "node:path";
import { fail } from "../base/errors.ts";
import type { Process, Spec } from "../specs/oci-runtime/spec.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const MOST_DESCRIPTORS = 1024;

/** sd_listen_fds(3): descriptors from 3 up; in the container the receiver is process 1. */
export function withListenFds(
  spec: Spec,
  environment: Environment,
  receiver: number,
): { readonly spec: Spec; readonly count: number } {
  const count = listenFds(environment, receiver);
  if (count === 0 || spec.process === undefined) return { spec, count };
  return { spec: { ...spec, process: withEnvironment(spec.process, listenEnvironment(count)) }, count };
}

export function listenEnvironment(count: number): string[] {
  return count === 0 ? [] : [`LISTEN_FDS=${count}`, "LISTEN_PID=1"];
}

/** 0 when there are none, or when they are meant for another process than `receiver`. */
export function listenFds(environment: Environment, receiver: number): number {
  const text = environment["LISTEN_FDS"] ?? "";
  const meant = environment["LISTEN_PID"] ?? "";
  if (text === "" || (meant !== "" && meant !== String(receiver))) return 0;
  if (!/^\d{1,4}$/.test(text) || Number(text) > MOST_DESCRIPTORS)
    throw fail("invalid_argument", `LISTEN_FDS is ${JSON.stringify(text)}`);
  return Number(text);
}

export function withEnvironment(base: Process, more: readonly string[]): Process {
  return { ...base, env: [...(base.env ?? []), ...more] };
}

export interface NotifySocket {
  /** Where the service manager listens: a path, or "@name". */
  readonly host: string;
  /** The directory of the state directory that is bound into the container. */
  readonly directory: string;
}

const INSIDE = "/run/notify";

/** Undefined without NOTIFY_SOCKET. `state`: the container's state directory. */
export function notifySocket(environment: Environment, state: string): NotifySocket | undefined {
  const host = environment["NOTIFY_SOCKET"] ?? "";
  if (host === "") return undefined;
  if (!/^[/@]./.test(host)) throw fail("invalid_argument", `NOTIFY_SOCKET is ${JSON.stringify(host)}`);
  return { host, directory: join(state, "notify") };
}

/** The container sees a socket of its own, whose messages the C program hands on. */
export function withNotify(spec: Spec, { directory }: NotifySocket): Spec {
  const mount = {
    destination: INSIDE,
    type: "bind",
    source: directory,
    options: ["bind", "nosuid", "noexec", "nodev", "ro"],
    gantryFile: false,
  };
  const mounted = { ...spec, mounts: [...(spec.mounts ?? []), mount] };
  return spec.process === undefined
    ? mounted
    : { ...mounted, process: withEnvironment(spec.process, [`NOTIFY_SOCKET=${INSIDE}/notify.sock`]) };
}
