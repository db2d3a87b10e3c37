import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { processTable } from "./process-table.ts";

test("shows a process by its words, none of which may move the cursor", async () => {
  const child = spawn("sh", ["-c", "read x", "a\x1b[2Jb"], { stdio: ["pipe", "ignore", "ignore"] });
  try {
    await new Promise((resolve) => child.once("spawn", resolve));
    const [header, line = ""] = processTable([child.pid ?? 0]).split("\n");
    expect(header).toBe("UID          PID    PPID  C STIME TTY          TIME CMD");
    expect(line).toMatch(
      new RegExp(`^\\S+ +${child.pid} +${process.pid} +\\d+ \\S+ \\S+ +00:00:00 sh -c read x a\\?\\[2Jb$`),
    );
  } finally {
    child.stdin.end();
  }
});

test("leaves out what is gone", () => {
  expect(processTable([0x7ffffff])).toBe("UID          PID    PPID  C STIME TTY          TIME CMD\n");
});
