import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtNative } from "../../test/support/native.ts";
import { describeWith } from "../../test/support/requires.ts";
import { messageOf } from "../base/errors.ts";
import { NativeHostPaths } from "./host-paths.ts";

describeWith("host paths", ["native"], () => {
  let work: string;

  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), "gantry-paths-"));
  });

  afterEach(() => {
    rmSync(work, { recursive: true });
  });

  test("look() tells directories from files and makes what is missing, with all above it", async () => {
    const paths = new NativeHostPaths(builtNative());
    const file = join(work, "file");
    const deep = join(work, "a", "b", "c");
    writeFileSync(file, "x");
    expect(await paths.look(file, true)).toEqual({ isDirectory: false });
    expect(await paths.look(deep, true)).toEqual({ isDirectory: true });
    expect(await paths.look(`${deep}/`, false)).toEqual({ isDirectory: true });
    expect(statSync(deep).mode & 0o777).toBe(0o755 & ~process.umask());
  });

  test("look() throws the kernel's errors", async () => {
    const paths = new NativeHostPaths(builtNative());
    const file = join(work, "file");
    writeFileSync(file, "x");
    const failure = (path: string, makes: boolean): Promise<unknown> =>
      paths.look(path, makes).then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(await failure(join(work, "none"), false)).toMatchObject({ code: "ENOENT", syscall: "stat" });
    expect(await failure(join(file, "below"), true)).toMatchObject({ code: "ENOTDIR", syscall: "mkdir" });
  });
});

test("a path that does not answer is asked once, holds nobody up for long, and is asked again when it has answered", async () => {
  const asked: PromiseWithResolvers<number>[] = [];
  const hostPath = (): Promise<number> => {
    const question = Promise.withResolvers<number>();
    asked.push(question);
    return question.promise;
  };
  const paths = new NativeHostPaths({ hostPath }, 20);
  const look = (): Promise<unknown> => paths.look("/dead", false).then((found) => found, messageOf);
  expect(await look()).toContain('answer of the file system of "/dead"');
  expect(await look()).toContain('answer of the file system of "/dead"');
  expect(asked.length).toBe(1);
  asked[0]?.resolve(0);
  const again = look();
  while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
  asked[1]?.resolve(0o040755);
  expect(await again).toEqual({ isDirectory: true });
});
