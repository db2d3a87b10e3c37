import { expect, test } from "bun:test";
import { locate, RuntimeCommands } from "./foreign-commands.ts";
import { decodeRecord, encodeRecord, lastWords } from "./foreign-record.ts";

const RECORD = {
  program: { path: "/bin/rt", args: ["--debug"] },
  rootfs: { kind: "overlay", lowers: ["/l"], upper: "/u", work: "/w" },
} as const;

test("runtime.json comes back as it was written, and a damaged one is an error", () => {
  expect(decodeRecord(encodeRecord(RECORD))).toEqual(RECORD);
  for (const rootfs of [
    { ...RECORD.rootfs, images: true },
    { kind: "bind", source: "/tree" },
  ] as const)
    expect(decodeRecord(encodeRecord({ ...RECORD, rootfs }))).toEqual({ ...RECORD, rootfs });
  for (const text of [
    "",
    "null",
    "{}",
    '{"program":{"path":1,"args":[]}}',
    encodeRecord(RECORD).slice(0, -3),
  ])
    expect(() => decodeRecord(text)).toThrow("damaged");
});

test("lastWords() is the last error, whatever stands around it", () => {
  const line = (level: string, msg: string): string => JSON.stringify({ level, msg, time: "now" });
  expect(lastWords("")).toBeUndefined();
  expect(lastWords(`${line("warning", "w")}\n`)).toBeUndefined();
  expect(
    lastWords(
      `cut off"}\n${line("error", "first")}\n${line("error", "second\n")}\n${line("debug", "d")}\nnoise\n`,
    ),
  ).toBe("second");
});

test("the runtime's own arguments come before the verb, the state into the run directory", () => {
  const commands = new RuntimeCommands(RECORD.program, "c1", "/run/c1");
  expect(commands.create(true).join(" ")).toBe(
    "/bin/rt --debug --root /run/c1/runtime --log /run/c1/runtime.log --log-format json create --bundle /run/c1 " +
      "--pid-file /run/c1/runtime.pid --console-socket console.sock c1",
  );
  expect(commands.create(false)).not.toContain("--console-socket");
  expect(commands.kill(15).join(" ")).toBe("/bin/rt --debug --root /run/c1/runtime kill c1 15");
  expect(commands.delete().slice(-3)).toEqual(["delete", "--force", "c1"]);
});

test("locate() finds a name in the usual places and a path as it is", async () => {
  expect((await locate({ path: "sh", args: ["-x"] })).path).toMatch(/^\/.*\/sh$/);
  expect(await locate({ path: "/bin/sh", args: [] })).toEqual({ path: "/bin/sh", args: [] });
  for (const path of ["/nowhere/rt", "no-such-runtime", "./sh", "../sh"])
    expect(await locate({ path, args: [] }).catch((error: unknown) => error)).toMatchObject({
      category: "invalid_argument",
    });
});
