/**
 * What a failed start looks like from outside. Clients derive `docker run`'s exit code 126 or 127 from words in the
 * message, so the words are Docker's.
 */
import { fail, GantryError, messageOf } from "../../base/errors.ts";
import { TaskStartError } from "../../core/tasks/tasks.ts";

export interface FailedStart {
  /** For State.ExitCode: 127 not found, 126 not executable, 128 anything else. */
  readonly exitCode: number;
  readonly error: GantryError;
}

const RUNTIME_PREFIX = "failed to create shim task: OCI runtime create failed: ";
const PREFIX = "failed to create task for container: ";
const WRONG_TYPE =
  "Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type";

/** `program`: the first word of the command. */
export function failedStart(error: unknown, program: string): FailedStart {
  if (error instanceof TaskStartError) {
    if (error.stage === "exec") {
      const { exitCode, text } = failedExec(error, program);
      const message = `${PREFIX}unable to start container process: ${text}`;
      return { exitCode, error: fail("invalid_argument", message, error) };
    }
    if (error.stage === "runtime") {
      const message = `${PREFIX}${RUNTIME_PREFIX}${error.message}: unknown`;
      return failedRuntime(runtimeExitCode(error.message), message, error);
    }
    if (error.errno === "ENOTDIR" && error.message.includes("mount"))
      return {
        exitCode: 127,
        error: fail("invalid_argument", `${PREFIX}${error.message}: ${WRONG_TYPE}`, error),
      };
    if (/^unable to find (user|group) /i.test(error.message))
      return { exitCode: 128, error: fail("internal", error.message, error) };
    return { exitCode: 128, error: fail("internal", `${PREFIX}${error.message}`, error) };
  }
  if (error instanceof GantryError) return { exitCode: 128, error };
  return { exitCode: 128, error: fail("internal", `${PREFIX}${messageOf(error)}`, error) };
}

/** The words that Docker looks for in what a runtime says, and in that order; undefined when there are none. */
export function runtimeExitCode(words: string): 126 | 127 | "not a directory" | undefined {
  if (/not a directory/i.test(words)) return "not a directory";
  if (/permission denied|is a directory/i.test(words)) return 126;
  return /executable file not found|no such file or directory|system cannot find the file specified/i.test(
    words,
  )
    ? 127
    : undefined;
}

function failedRuntime(
  code: ReturnType<typeof runtimeExitCode>,
  message: string,
  cause: TaskStartError,
): FailedStart {
  if (code === undefined) return { exitCode: 128, error: fail("internal", message, cause) };
  if (code === "not a directory")
    return { exitCode: 127, error: fail("invalid_argument", `${message}: ${WRONG_TYPE}`, cause) };
  return { exitCode: code, error: fail("invalid_argument", message, cause) };
}

/** Text and exit code of a program that could not be executed: for a container's main process and for execs. */
export function failedExec(
  error: TaskStartError,
  program: string,
): { readonly exitCode: number; readonly text: string } {
  const subject = `exec: ${JSON.stringify(program)}: `;
  switch (error.errno) {
    case "ENOENT":
      return {
        exitCode: 127,
        text: `${subject}${program.includes("/") ? `stat ${program}: no such file or directory` : "executable file not found in $PATH"}: unknown`,
      };
    case "ENOTDIR":
      return { exitCode: 127, text: `${subject}stat ${program}: not a directory: unknown` };
    case "EACCES":
      return { exitCode: 126, text: `${subject}permission denied: unknown` };
    case "EISDIR":
      return { exitCode: 126, text: `${subject}is a directory: unknown: permission denied` };
    case "ENOEXEC":
      return { exitCode: 126, text: `${subject}exec format error: unknown` };
    default:
      return { exitCode: 126, text: `${subject}${error.message}: unknown` };
  }
}
