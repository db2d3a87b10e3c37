import { expect, test } from "bun:test";
import { TaskStartError } from "../../core/tasks/tasks.ts";
import { failedStart } from "./start-failure.ts";

function failure(words: string): { readonly exitCode: number; readonly message: string } {
  const cause = new TaskStartError(words, { stage: "runtime", errno: "" });
  const { exitCode, error } = failedStart(cause, "x");
  return { exitCode, message: error.message };
}

test.each([
  ['exec: "x": executable file not found in $PATH', 127],
  ["executable file `x` not found in $PATH: No such file or directory", 127],
  ['exec: "/etc": permission denied', 126],
  ['exec: "/etc": is a directory', 126],
  ["cgroups: out of luck", 128],
] as const)("a runtime's %s is exit code %d", (words, exitCode) => {
  expect(failure(words)).toEqual({
    exitCode,
    message: `failed to create task for container: failed to create shim task: OCI runtime create failed: ${words}: unknown`,
  });
});

test("a runtime that cannot mount a file on a directory is told as Docker does", () => {
  const { exitCode, message } = failure('mount "/a" to "/b": not a directory');
  expect(exitCode).toBe(127);
  expect(message).toContain(": unknown: Are you trying to mount a directory onto a file (or vice-versa)?");
});

test("a group that there is not is told in Docker's words, whoever asked for it", () => {
  for (const words of [
    "unable to find group x: no matching entries in group file",
    "Unable to find group x: no matching entries in group file",
  ]) {
    const { exitCode, error } = failedStart(
      new TaskStartError(words, { stage: "setup", errno: "ENOENT" }),
      "x",
    );
    expect([exitCode, error.message]).toEqual([128, words]);
  }
});
