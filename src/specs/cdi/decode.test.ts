import { expect, test } from "bun:test";
import { decodeCdiSpec } from "./decode.ts";

const NOTHING = { env: [], deviceNodes: [], mounts: [], hooks: [], additionalGids: [], intelRdt: undefined };
const plain = (more: object = {}, edits: object = {}): object => ({
  cdiVersion: "0.6.0",
  kind: "vendor.com/class",
  devices: [{ name: "one", containerEdits: edits }],
  ...more,
});

test("a specification with everything", () => {
  const edits = {
    env: ["A=1"],
    deviceNodes: [
      { path: "/dev/v", hostPath: "/dev/null", permissions: "rw", type: "c", major: 1, fileMode: 0o600 },
    ],
    mounts: [{ hostPath: "/lib/v", containerPath: "/v", options: ["ro"] }],
    hooks: [{ hookName: "createContainer", path: "/bin/hook", args: ["hook"], env: ["B=2"], timeout: 3 }],
    additionalGids: [44],
    intelRdt: { closID: "c" },
  };
  const spec = decodeCdiSpec(
    plain({ cdiVersion: "1.0.0", annotations: { a: "b" }, containerEdits: { env: ["ALL=1"] } }, edits),
  );
  expect(spec.kind).toBe("vendor.com/class");
  expect(spec.edits).toEqual({ ...NOTHING, env: ["ALL=1"] });
  expect(spec.devices).toEqual([
    {
      name: "one",
      edits: {
        env: ["A=1"],
        deviceNodes: [
          { path: "/dev/v", hostPath: "/dev/null", access: "rw", type: "c", major: 1, fileMode: 0o600 },
        ],
        mounts: [{ hostPath: "/lib/v", containerPath: "/v", type: "", options: ["ro"] }],
        hooks: [
          { point: "createContainer", hook: { path: "/bin/hook", args: ["hook"], env: ["B=2"], timeout: 3 } },
        ],
        additionalGids: [44],
        intelRdt: { closID: "c" },
      },
    },
  ]);
});

test("a node is the host's of the same path, with all rights, unless it says otherwise", () => {
  const [device] = decodeCdiSpec(plain({}, { deviceNodes: [{ path: "/dev/v" }] })).devices;
  expect(device?.edits.deviceNodes).toEqual([{ path: "/dev/v", hostPath: "/dev/v", access: "rwm" }]);
});

test.each<[string, unknown, string]>([
  ["no document", null, "must be an object"],
  ["an unknown version", plain({ cdiVersion: "2.0.0" }), 'unknown CDI version "2.0.0"'],
  ["no kind", plain({ kind: "vendor" }), 'invalid kind "vendor"'],
  ["no devices", plain({ devices: [] }), "it has no devices"],
  ["a name that is none", plain({ devices: [{ name: "a b" }] }), 'invalid name "a b"'],
  ["a device twice", plain({ devices: [{ name: "a" }, { name: "a" }] }), 'the device "a" twice'],
  ["an unknown field", plain({ more: 1 }), 'unknown field "more"'],
  ["an unknown edit", plain({}, { netDevices: [] }), 'unknown field "devices[0].containerEdits.netDevices"'],
  ["a variable without a value", plain({}, { env: ["A"] }), "is not NAME=VALUE"],
  ["a node without a path", plain({}, { deviceNodes: [{}] }), 'deviceNodes[0].path" is missing'],
  ["a relative node", plain({}, { deviceNodes: [{ path: "dev/v" }] }), "is not an absolute path"],
  ["a node of no type", plain({}, { deviceNodes: [{ path: "/v", type: "x" }] }), "is none of b, c, u and p"],
  ["rights that are none", plain({}, { deviceNodes: [{ path: "/v", permissions: "x" }] }), "other letters"],
  ["a number that is none", plain({}, { deviceNodes: [{ path: "/v", major: -1 }] }), "is not from 0 to"],
  ["a mount from nowhere", plain({}, { mounts: [{ containerPath: "/v" }] }), 'hostPath" is missing'],
  ["an unknown hook", plain({}, { hooks: [{ hookName: "x", path: "/x" }] }), "is no hook"],
  ["a NUL byte", plain({}, { mounts: [{ hostPath: "/a\0b", containerPath: "/v" }] }), "has a NUL byte"],
])("%s is refused", (_, document, message) => {
  expect(() => decodeCdiSpec(document)).toThrow(message);
});
