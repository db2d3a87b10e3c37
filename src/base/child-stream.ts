/** A program's standard input and output as one connection. */
import { spawn } from "node:child_process";
import { type ByteStream, ChunkQueue, READ_AHEAD_BYTES } from "./byte-stream.ts";
import { fail, messageOf } from "./errors.ts";

const MAX_ERROR_BYTES = 64 * 1024;

/**
 * Starts `file` (found in the search path) without a shell, in a session of its own, so that the user's Ctrl-C is not its
 * business. Its end is the stream's: an orderly one when it exits with 0, else a failure with `hint` and what it said on standard
 * error.
 */
export function spawnStream(file: string, args: readonly string[], hint: string): ByteStream {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  const incoming = new ChunkQueue();
  let said = "";
  let gone: Error | undefined;
  const { stdin, stdout, stderr } = child;
  stderr.setEncoding("utf8");
  stderr.on("data", (text: string) => {
    said = `${said}${text}`.slice(-MAX_ERROR_BYTES);
  });
  stdout.on("data", (chunk: Buffer) => {
    incoming.push(chunk);
    if (incoming.bytes > READ_AHEAD_BYTES) stdout.pause();
  });
  const fall = (error: Error | undefined): void => {
    gone ??= error ?? Object.assign(new Error("broken pipe"), { code: "EPIPE" });
    incoming.finish(error);
  };
  stdin.on("error", () => {}); // why it does not read any more is told by its end
  child.on("error", (cause) => fall(fail("unavailable", `exec: "${file}": ${messageOf(cause)}`, cause)));
  child.on("close", (code, signal) => {
    if (code === 0) fall(undefined);
    else
      fall(
        fail(
          "unavailable",
          endOf(
            [file, ...args],
            signal ?? `exit status ${code ?? "unknown"}`,
            `${hint}: stderr=${said.trim()}`,
          ),
        ),
      );
  });
  return {
    async read() {
      const chunk = incoming.shift();
      if (stdout.isPaused() && incoming.bytes < READ_AHEAD_BYTES / 2) stdout.resume();
      return chunk;
    },
    async write(bytes) {
      if (gone !== undefined) throw gone;
      await new Promise<void>((resolve, reject) => {
        stdin.write(bytes, (error) => (error === null || error === undefined ? resolve() : reject(error)));
      });
    },
    async endWrite() {
      if (gone !== undefined) return;
      await new Promise<void>((resolve) => {
        stdin.end(resolve);
      });
    },
    close() {
      gone ??= Object.assign(new Error("broken pipe"), { code: "EPIPE" });
      incoming.finish();
      stdin.destroy();
      stdout.destroy();
      child.kill();
    },
  };
}

function endOf(command: readonly string[], how: string, more: string): string {
  return `command [${command.join(" ")}] has exited with ${how}, ${more}`;
}
