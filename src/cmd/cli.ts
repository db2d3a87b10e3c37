/** The command-line client: reads what the process was started with, runs one command, exits. */
import { standardError, standardOutput } from "../base/bun-stdio.ts";
import { VERSION } from "../base/version.ts";
import { ownCaller } from "../cli/caller.ts";
import { dispatch } from "../cli/dispatch.ts";

/** Set by the command gantry (native/client): where nobody is who would have done the work. */
const ABSENT = "GANTRY_CLIENT_ABSENT";

/**
 * `words` are those after the program's name. `engineCommand` says how the engine is started when a command needs one
 * and none is there.
 */
export async function runCli(
  words: readonly string[],
  engineCommand: { readonly file: string; readonly argv0: string; readonly words: readonly string[] },
): Promise<never> {
  const environment = new Map<string, string>();
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined) environment.set(name, value);
  const absent = environment.get(ABSENT) ?? "";
  environment.delete(ABSENT);
  delete process.env[ABSENT];
  let isWorthAResident = false;
  const status = await dispatch(
    {
      program: "gantry",
      version: VERSION,
      environment,
      workingDirectory: process.cwd(),
      homeDirectory: environment.get("HOME") || "/root",
      userId: process.getuid?.() ?? -1,
      engineCommand,
      nativeShim: async () => (await import("./native-parts.ts")).findNativeParts().shim,
      caller: ownCaller(
        absent === ""
          ? undefined
          : () => {
              isWorthAResident = true;
            },
      ),
    },
    { out: standardOutput(), err: standardError() },
    words,
  );
  if (isWorthAResident) {
    const { startResident } = await import("./start-resident.ts");
    await startResident(engineCommand.file, absent);
  }
  process.exit(status);
}
