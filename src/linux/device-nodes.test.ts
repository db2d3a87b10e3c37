import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeHostConfig } from "../specs/engine/container.decode.ts";
import { Fields } from "../specs/engine/fields.decode.ts";
import { markFileBinds } from "./bind-sources.ts";
import { resolveDevices, type ResolvedDevices } from "./device-nodes.ts";

const root = mkdtempSync(join(tmpdir(), "gantry-devices-"));
afterAll(() => rmSync(root, { recursive: true }));

const resolve = (host: object, dev?: string): ResolvedDevices =>
  resolveDevices(decodeHostConfig(new Fields(host, "")), dev);

describe("resolveDevices()", () => {
  test("looks at nothing when nothing is asked", () => {
    expect(resolve({}, "/nonexistent")).toEqual({ all: [], mapped: [], numbers: new Map() });
  });

  test("finds a node's numbers, and gives it the name it shall have", () => {
    const { mapped } = resolve({
      Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/x", CgroupPermissions: "r" }],
    });
    expect(mapped).toMatchObject([{ access: "r", node: { path: "/dev/x", type: "c", major: 1, minor: 3 } }]);
  });

  test("allows everything unless told otherwise", () => {
    const [device] = resolve({ Devices: [{ PathOnHost: "/dev/zero" }] }).mapped;
    expect(device).toMatchObject({ access: "rwm", node: { path: "/dev/zero", minor: 5 } });
  });

  test("gives a privileged container the nodes of the host, without terminals and links", () => {
    const paths = resolve({ Privileged: true }).all.map(({ path }) => path);
    expect(paths).toContain("/dev/null");
    expect(
      paths.filter((path) => path.startsWith("/dev/pts/") || path === "/dev/console" || path === "/dev/fd"),
    ).toEqual([]);
  });

  test.each([
    ["/nonexistent", "no such file or directory"],
    ["/etc/passwd", "not a device node"],
    [root, "not a device node"],
  ])("refuses %s in Docker's words", (path, why) => {
    expect(() => resolve({ Devices: [{ PathOnHost: path }] })).toThrow(
      `error gathering device information while adding custom device "${path}": ${why}`,
    );
  });

  test("refuses to limit what is no block device", () => {
    expect(() => resolve({ BlkioDeviceReadBps: [{ Path: "/dev/null", Rate: 1 }] })).toThrow(
      'cannot limit "/dev/null": not a block device',
    );
    expect(() => resolve({ BlkioDeviceWriteIOps: [{ Path: "/nonexistent", Rate: 1 }] })).toThrow(
      "no such device",
    );
  });
});

test("markFileBinds() notes which bind mounts need a file to cover", () => {
  const [dir, file, link] = [join(root, "d"), join(root, "f"), join(root, "l")];
  mkdirSync(dir);
  writeFileSync(file, "");
  symlinkSync(dir, link);
  const mounts = [
    { destination: "/1", type: "bind", source: dir },
    { destination: "/2", source: file, options: ["rbind"] },
    { destination: "/3", type: "bind", source: link },
    { destination: "/4", type: "bind", source: join(file, "below") },
    { destination: "/5", type: "tmpfs", source: file },
    { destination: "/6", type: "bind", source: dir, gantryFile: true },
  ];
  const marked = markFileBinds({ ociVersion: "1.2.0", mounts }).mounts?.map(({ gantryFile }) => gantryFile);
  expect(marked).toEqual([false, true, false, undefined, undefined, true]);
});
