/**
 * `bun container-prober.ts PORT...`: connects to these ports of the loopback again and again, in the network namespace that it
 * runs in. For each line on its standard input it prints what has failed since the last: `{"tried": N, "failed": [...]}`.
 */
import { connect } from "node:net";
import { createInterface } from "node:readline";
import type { FailedProbe } from "./container-violations.ts";

const EVERY_MS = 150;
const PATIENCE_MS = 2_000 * Number(process.env["GANTRY_TEST_SLOWNESS"] ?? "1");

let tried = 0;
let failed: FailedProbe[] = [];

/** Undefined when a page comes. */
function asked(port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
  const timer = setTimeout(() => {
    resolve("nobody answers");
    socket.destroy();
  }, PATIENCE_MS);
  socket.on("data", () => resolve(undefined));
  socket.on("error", (error) => resolve(error.message));
  socket.on("close", () => {
    clearTimeout(timer);
    resolve("it was closed without an answer");
  });
  return promise;
}

async function probe(port: number): Promise<void> {
  const atMs = Date.now();
  const why = await asked(port);
  tried++;
  if (why !== undefined) failed.push({ port, atMs, why });
}

if (import.meta.main) {
  const ports = process.argv.slice(2).map(Number);
  const probeAll = (): Promise<unknown> => Promise.all(ports.map(probe));
  setInterval(() => void probeAll(), EVERY_MS);
  for await (const _ of createInterface(process.stdin)) {
    await probeAll();
    console.log(JSON.stringify({ tried, failed }));
    failed = [];
  }
  process.exit(0);
}
