import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runHook } from "./hook-program.ts";

const shell = (script: string, more: object = {}) =>
  runHook({
    path: "/bin/sh",
    argv: ["sh", "-c", script],
    env: ["A=b=c"],
    timeoutS: 5,
    cwd: "/",
    input: "told",
    ...more,
  });

test("gets its input, exactly its environment, its directory", async () => {
  const directory = mkdtempSync(join(tmpdir(), "gantry-hook-"));
  try {
    await shell('{ cat; echo; echo "$A"; pwd; echo "${HOME-none}"; } > seen', { cwd: directory });
    expect(readFileSync(join(directory, "seen"), "utf8")).toBe(`told\nb=c\n${directory}\nnone\n`);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("its failure has its last words", async () => {
  expect(await shell("echo words >&2; exit 3").catch((error: unknown) => String(error))).toContain(
    '"/bin/sh": exit status 3: words',
  );
});

test("one that does not read is fine", async () => {
  await shell("exit 0", { input: "x".repeat(1 << 20) });
});

test("one that is not there says so", async () => {
  expect(await shell("", { path: "/nope" }).catch((error: unknown) => String(error))).toContain(
    'cannot run "/nope"',
  );
});

test("a time-out of months is none that it meets", async () => {
  await shell("sleep 0.1", { timeoutS: 90 * 24 * 3600 });
});

test("its time-out ends it and its children", async () => {
  const directory = mkdtempSync(join(tmpdir(), "gantry-hook-"));
  try {
    const error = await shell("sleep 20 & echo $! > pid; wait", { timeoutS: 0.2, cwd: directory }).catch(
      String,
    );
    expect(error).toContain("did not end within 0.2 s");
    const pid = Number(readFileSync(join(directory, "pid"), "utf8"));
    const deadline = performance.now() + 3000;
    while (isThere(pid) && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(isThere(pid)).toBe(false);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

function isThere(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
