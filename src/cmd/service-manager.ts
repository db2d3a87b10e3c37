/**
 * The service manager that started us, told how far we are: sd_notify(3), one datagram to the socket that NOTIFY_SOCKET names.
 */
import { setTimeout as pause } from "node:timers/promises";
import { errnoOf, fail, messageOf } from "../base/errors.ts";
import type { Native } from "../linux/native.ts";

export type ServiceState = "READY=1" | "STOPPING=1";
export type NotifySockets = Pick<Native, "connectUnixDatagram" | "sendDescriptors" | "closeFd">;

/** A manager that is starting many services at once reads a little later. */
const ROOM_MS = 5_000;
const POLL_MS = 20;

/**
 * Its socket, a path or `@` and an abstract name; undefined: nobody wants to know, or it is another process's state that is asked for
 * (SYSTEMD_EXEC_PID). Takes the variable out of the environment, so that no child speaks in our name. Throws
 * `invalid_argument` for what is neither.
 */
export function takeNotifySocket(environment: NodeJS.ProcessEnv, pid: number): string | undefined {
  const { NOTIFY_SOCKET: socket = "", SYSTEMD_EXEC_PID: meant = "" } = environment;
  delete environment["NOTIFY_SOCKET"];
  if (socket === "" || (meant !== "" && meant !== String(pid))) return undefined;
  if (!/^(\/|@.)/.test(socket))
    throw fail("invalid_argument", `NOTIFY_SOCKET names no socket: ${JSON.stringify(socket.slice(0, 100))}`);
  return socket;
}

/** Resolves when the kernel keeps the state for the manager. Throws `unavailable` when it cannot, for five seconds. */
export async function tellManager(
  socket: string,
  state: ServiceState,
  sockets: NotifySockets,
): Promise<void> {
  const giveUpAt = performance.now() + ROOM_MS;
  for (;;) {
    try {
      sendTo(socket, state, sockets);
      return;
    } catch (error) {
      const errno = errnoOf(error);
      const isFull = errno === "EAGAIN" || errno === "ENOBUFS" || errno === "EINTR";
      if (!isFull || performance.now() > giveUpAt)
        throw fail(
          "unavailable",
          `cannot tell the service manager "${state}" at "${socket}": ${messageOf(error)}`,
          error,
        );
    }
    await pause(POLL_MS);
  }
}

function sendTo(socket: string, state: ServiceState, sockets: NotifySockets): void {
  const fd = sockets.connectUnixDatagram(socket);
  try {
    sockets.sendDescriptors(fd, new TextEncoder().encode(state), []);
  } finally {
    sockets.closeFd(fd);
  }
}
