/**
 * `bun forwarder-starter.ts WATCHED PORT TARGET-PORT hold|go`: a daemon that starts a forwarder from [::1] to 127.0.0.1, and then does
 * nothing until somebody kills it. Prints the forwarder's pid; with `hold` it is never told to begin.
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { startForwarder } from "../../src/linux/forwarder.ts";
import { builtNative, NATIVE_PATHS } from "./native.ts";

const [watched = "", port = "", targetPort = "", mode = ""] = process.argv.slice(2);
const native = builtNative();
const network = openSync("/proc/self/ns/net", "r");
const address = Uint8Array.from([...Array<number>(15).fill(0), 1]);
const fd = await native.boundSocket(network, { type: "tcp", address, port: Number(port), listen: true });
closeSync(network);

const { pid } = await startForwarder(native, NATIVE_PATHS.shim, {
  owner: "0123456789abcdef",
  sockets: [
    { protocol: "tcp", fd, target: { address: Uint8Array.of(127, 0, 0, 1), port: Number(targetPort) } },
  ],
  watch: native.pidfdOpen(Number(watched)),
  keep: async (pidfd) => {
    if (mode !== "hold") return;
    console.log(/^Pid:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, "utf8"))?.[1]);
    await new Promise(() => {});
  },
});
console.log(pid);
setInterval(() => {}, 1 << 30);
