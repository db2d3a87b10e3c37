import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../base/errors.ts";
import { KeyedLock } from "../../base/keyed-lock.ts";
import { fakeLogging } from "../testing/fake-logging.ts";
import { FakeTask } from "../testing/fake-tasks.ts";
import { containerConfig, hostConfig } from "../testing/host-config.ts";
import { clearLogs } from "./clear-logs.ts";
import { Container } from "./container.ts";
import { CREATED } from "./record.ts";

const ID = "a".repeat(64);
let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "clear-logs-"));
  mkdirSync(join(root, ID));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function container(type: string): Container {
  const record = {
    id: ID,
    name: "web",
    createdNs: 0n,
    imageId: "sha256:0",
    layer: undefined,
    config: containerConfig({ Cmd: ["run"] }),
    host: hostConfig({ LogConfig: { Type: type, Config: { "max-size": "1k", "max-file": "3" } } }),
    imageConfig: null,
  };
  return new Container(record, CREATED, {
    cgroupVersion: 2,
    maskedPaths: [],
    readonlyPaths: [],
    hostname: "h",
    runtime: "gantry-runc",
    network: "none",
  });
}

function clear(one: Container): Promise<void> {
  return clearLogs({ containersDir: root, logging: fakeLogging(), locks: new KeyedLock() }, one);
}

test("of a container that does not run all files go", async () => {
  const path = join(root, ID, `${ID}-json.log`);
  const names = [path, `${path}.1`, `${path}.2.gz`];
  for (const name of names) writeFileSync(name, "x");
  await clear(container("json-file"));
  expect(names.filter((name) => existsSync(name))).toEqual([]);
});

test("one that runs is left to its shim", async () => {
  const running = container("json-file");
  const task = new FakeTask(ID, 1, undefined);
  running.task = task;
  await clear(running);
  expect(task.cleared).toBe(1);
});

test("without a log there is nothing to clear", async () => {
  expect(await clear(container("none")).then(String, messageOf)).toBe(
    "configured logging driver does not support reading",
  );
});
