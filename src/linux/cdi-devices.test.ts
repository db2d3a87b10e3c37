import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { completeNode, readCdiDevices } from "./cdi-devices.ts";

let root: string;
let directories: readonly [string, string];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "gantry-cdi-"));
  directories = [join(root, "etc"), join(root, "run")];
  for (const directory of directories) mkdirSync(directory);
});
afterEach(() => rmSync(root, { recursive: true }));

const spec = (env: string, name = "one"): string =>
  JSON.stringify({
    cdiVersion: "0.5.0",
    kind: "v.com/c",
    devices: [{ name, containerEdits: { env: [`FROM=${env}`] } }],
  });
const found = (): readonly (readonly [string, readonly string[]])[] =>
  [...readCdiDevices(directories).devices].map(([name, { edits }]) => [name, edits.env]);

test("later directories count more, and a directory need not be there", () => {
  writeFileSync(join(directories[0], "a.json"), spec("etc"));
  expect(found()).toEqual([["v.com/c=one", ["FROM=etc"]]]);
  writeFileSync(join(directories[1], "a.json"), spec("run"));
  expect(found()).toEqual([["v.com/c=one", ["FROM=run"]]]);
  expect(readCdiDevices([join(root, "none")])).toEqual({ devices: new Map(), faults: [] });
});

test("a name that two specifications of one directory claim is nobody's, until a later directory has it", () => {
  writeFileSync(join(directories[0], "a.json"), spec("a"));
  writeFileSync(join(directories[0], "b.json"), spec("b"));
  const { devices, faults } = readCdiDevices(directories);
  expect(devices.size).toBe(0);
  expect(faults.join()).toContain('conflicting device "v.com/c=one"');
  writeFileSync(join(directories[1], "c.json"), spec("c"));
  expect(found()).toEqual([["v.com/c=one", ["FROM=c"]]]);
});

test("YAML is read, too; other files are not, and what is wrong is named while the rest counts", () => {
  const text =
    "cdiVersion: 0.5.0\nkind: v.com/c\ndevices:\n  - name: '2'\n    containerEdits: {env: [A=b]}\n";
  writeFileSync(join(directories[0], "a.yaml"), text);
  writeFileSync(join(directories[0], "b.json"), "{");
  writeFileSync(join(directories[0], "c.yml"), "a: [");
  writeFileSync(join(directories[0], "d.txt"), "{");
  mkdirSync(join(directories[0], "e.json"));
  const { devices, faults } = readCdiDevices(directories);
  expect([...devices.keys()]).toEqual(["v.com/c=2"]);
  expect(faults.map((fault) => fault.slice(root.length, root.length + 30))).toEqual([
    expect.stringContaining("/etc/b.json: invalid JSON"),
    expect.stringContaining("/etc/c.yml: invalid YAML"),
    expect.stringContaining("/etc/e.json: it is no file"),
  ]);
});

test("completeNode() asks the host for what is not said", () => {
  const node = { path: "/dev/v", hostPath: "/dev/null", access: "rwm" };
  expect(completeNode(node)).toEqual({ path: "/dev/v", type: "c", major: 1, minor: 3 });
  expect(completeNode({ ...node, type: "c", fileMode: 0o600, uid: 5 })).toMatchObject({
    fileMode: 0o600,
    uid: 5,
  });
  expect(completeNode({ ...node, hostPath: "/none", type: "b", major: 8 })).toMatchObject({
    major: 8,
    minor: 0,
  });
  expect(() => completeNode({ ...node, type: "b" })).toThrow("host type mismatch (b, c)");
  expect(() => completeNode({ ...node, hostPath: "/none" })).toThrow('"/none": no such file or directory');
  expect(() => completeNode({ ...node, hostPath: "/tmp" })).toThrow('CDI device "/tmp" is no device node');
});
