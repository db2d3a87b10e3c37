import { fail } from "../../base/errors.ts";
import { decodeConsoleSize } from "./container.decode.ts";
import type { ExecConfig, ExecStartRequest } from "./exec.ts";
import { Fields } from "./fields.decode.ts";

/** The body of POST /containers/{id}/exec. Throws `invalid_argument`. */
export function decodeExecCreate(body: unknown): ExecConfig {
  const fields = new Fields(body ?? {}, "");
  const command = fields.stringsOrOne("Cmd") ?? [];
  if (command.length === 0) throw fail("invalid_argument", "No exec command specified");
  return {
    User: fields.str("User"),
    Privileged: fields.bool("Privileged"),
    Tty: fields.bool("Tty"),
    ConsoleSize: decodeConsoleSize(fields),
    AttachStdin: fields.bool("AttachStdin"),
    AttachStdout: fields.bool("AttachStdout"),
    AttachStderr: fields.bool("AttachStderr"),
    DetachKeys: fields.str("DetachKeys"),
    Env: fields.strings("Env"),
    WorkingDir: fields.str("WorkingDir"),
    Cmd: command,
  };
}

/** The body of POST /exec/{id}/start; an empty one means the defaults. */
export function decodeExecStart(body: unknown): ExecStartRequest {
  const fields = new Fields(body ?? {}, "");
  return { Detach: fields.bool("Detach"), Tty: fields.bool("Tty"), ConsoleSize: decodeConsoleSize(fields) };
}
