/** Descriptors as somebody else would hand them over: sockets bound to a port of the kernel's choice on 127.0.0.1. */
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { dlopen } from "bun:ffi";

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x4000_0000;
const ADDRESS_BYTES = 16;

const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["int", "int", "int"], returns: "int" },
  bind: { args: ["int", "ptr", "int"], returns: "int" },
  listen: { args: ["int", "int"], returns: "int" },
  getsockname: { args: ["int", "ptr", "ptr"], returns: "int" },
  unshare: { args: ["int"], returns: "int" },
  setns: { args: ["int", "int"], returns: "int" },
  dup: { args: ["int"], returns: "int" },
});

export interface BoundSocket {
  readonly fd: number;
  readonly port: number;
}

function bound(type: number, port: number): BoundSocket {
  const fd = libc.socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const address = Buffer.alloc(ADDRESS_BYTES);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(ADDRESS_BYTES);
  if (fd < 0 || libc.bind(fd, address, ADDRESS_BYTES) < 0 || libc.getsockname(fd, address, length) < 0)
    throw new Error("cannot bind a socket");
  return { fd, port: address.readUInt16BE(2) };
}

export function boundUdp(port = 0): BoundSocket {
  return bound(SOCK_DGRAM, port);
}

export function listeningTcp(port = 0): BoundSocket {
  const socket = bound(SOCK_STREAM, port);
  if (libc.listen(socket.fd, 128) < 0) throw new Error("cannot listen");
  return socket;
}

/** Another descriptor of the same socket, as the shim keeps one. */
export function duplicated(fd: number): number {
  return libc.dup(fd);
}

/** This thread is in a new network namespace, whose loopback is up, until it is disposed of. Root. */
export function enterNewNetwork(): Disposable {
  const own = openSync("/proc/thread-self/ns/net", "r");
  const leave = (): void => {
    libc.setns(own, CLONE_NEWNET);
    closeSync(own);
  };
  if (libc.unshare(CLONE_NEWNET) < 0) {
    leave();
    throw new Error("cannot make a network namespace");
  }
  const up = spawnSync("ip", ["link", "set", "lo", "up"]);
  if (up.status === 0) return { [Symbol.dispose]: leave };
  leave();
  throw new Error(`ip: ${String(up.stderr)}`);
}

/** Runs `make` so; for what lives on in descriptors. */
export function inNewNetwork<T>(make: () => T): T {
  using _ = enterNewNetwork();
  return make();
}
