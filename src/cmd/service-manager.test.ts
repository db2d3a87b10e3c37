import { expect, test } from "bun:test";
import { messageOf } from "../base/errors.ts";
import { type NotifySockets, takeNotifySocket, tellManager } from "./service-manager.ts";

const SOCKET = "/run/systemd/notify";

/** Sockets of a manager that has no room for so many datagrams. */
function managerWithoutRoomFor(refusals: number) {
  const heard: string[] = [];
  const open = new Set<number>();
  const sockets: NotifySockets = {
    connectUnixDatagram(path) {
      if (path !== SOCKET) throw Object.assign(new Error("connect"), { code: "ENOENT" });
      open.add(7);
      return 7;
    },
    sendDescriptors(_, bytes) {
      if (refusals-- > 0) throw Object.assign(new Error("sendmsg"), { code: "EAGAIN" });
      heard.push(new TextDecoder().decode(bytes));
    },
    closeFd: (fd) => void open.delete(fd),
  };
  return { heard, open, sockets };
}

test("the manager's socket is taken out of the environment, so that no child speaks for us", () => {
  const environment: NodeJS.ProcessEnv = { NOTIFY_SOCKET: SOCKET, SYSTEMD_EXEC_PID: "7", HOME: "/" };
  expect(takeNotifySocket(environment, 7)).toBe(SOCKET);
  expect(environment).toEqual({ SYSTEMD_EXEC_PID: "7", HOME: "/" });
  expect(takeNotifySocket({ NOTIFY_SOCKET: SOCKET }, 7)).toBe(SOCKET);
  expect(takeNotifySocket({}, 7)).toBeUndefined();
});

test("a daemon that somebody's service started does not speak for that service", () => {
  expect(takeNotifySocket({ NOTIFY_SOCKET: SOCKET, SYSTEMD_EXEC_PID: "6" }, 7)).toBeUndefined();
});

test("an abstract socket is one, too; a name that is none is refused", () => {
  expect(takeNotifySocket({ NOTIFY_SOCKET: "@abstract" }, 7)).toBe("@abstract");
  for (const name of ["notify", "@", "vsock:2:1234"])
    expect(() => takeNotifySocket({ NOTIFY_SOCKET: name }, 7)).toThrow(
      `NOTIFY_SOCKET names no socket: "${name}"`,
    );
});

test("a manager that has no room yet is told a little later, and no descriptor stays", async () => {
  const { heard, open, sockets } = managerWithoutRoomFor(2);
  await tellManager(SOCKET, "READY=1", sockets);
  expect(heard).toEqual(["READY=1"]);
  expect(open.size).toBe(0);
});

test("a manager that is not there is an error", async () => {
  const { heard, sockets } = managerWithoutRoomFor(0);
  expect(await tellManager("/nowhere", "READY=1", sockets).then(String, messageOf)).toBe(
    'cannot tell the service manager "READY=1" at "/nowhere": connect',
  );
  expect(heard).toEqual([]);
});
