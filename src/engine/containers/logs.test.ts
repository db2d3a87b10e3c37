import { expect, test } from "bun:test";
import type { LogReadOptions } from "../../core/logging/log-reader.ts";
import { fakeLogging } from "../testing/fake-logging.ts";
import { containerConfig, hostConfig } from "../testing/host-config.ts";
import { Container } from "./container.ts";
import { logs } from "./logs.ts";
import { CREATED } from "./record.ts";

const REQUEST = {
  stdout: true,
  stderr: true,
  sinceNs: undefined,
  untilNs: undefined,
  tail: "all",
  timestamps: false,
  details: false,
} as const;

/** A container that runs, and what somebody who follows its log waits for. */
function followed(signal: AbortSignal): { container: Container; ended: Promise<unknown> } {
  const record = {
    id: "a".repeat(64),
    name: "web",
    createdNs: 0n,
    imageId: "sha256:0",
    layer: undefined,
    config: containerConfig({ Cmd: ["run"] }),
    host: hostConfig({ LogConfig: { Type: "json-file", Config: {} } }),
    imageConfig: null,
  };
  const container = new Container(
    record,
    { ...CREATED, status: "running" },
    {
      cgroupVersion: 2,
      maskedPaths: [],
      readonlyPaths: [],
      hostname: "h",
      runtime: "gantry-runc",
      network: "none",
    },
  );
  let asked: LogReadOptions | undefined;
  const readLog = (_log: unknown, options: LogReadOptions): AsyncIterable<Uint8Array> => {
    asked = options;
    return (async function* () {})();
  };
  logs({ containersDir: "/c", logging: fakeLogging(), readLog }, container, {
    ...REQUEST,
    follow: true,
    signal,
  });
  if (asked?.follow === undefined) throw new Error("the log is not followed");
  return { container, ended: asked.follow.ended };
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([
    promise.then(() => true),
    new Promise<false>((resolve) => setImmediate(resolve, false)),
  ]);
}

test("a follower is told when the container ends", async () => {
  const { container, ended } = followed(new AbortController().signal);
  expect(await isSettled(ended)).toBe(false);
  container.tellExit();
  expect(await isSettled(ended)).toBe(true);
});

test("a follower that has gone is kept by nobody", async () => {
  const reader = new AbortController();
  const { container, ended } = followed(reader.signal);
  reader.abort();
  container.tellExit();
  expect(await isSettled(ended)).toBe(false);
});
