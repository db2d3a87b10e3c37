/** The OCI runtimes that containers can have: the built-in one, and the programs of the daemon's configuration. Pure. */
import { fail } from "../../base/errors.ts";
import type { RuntimeProgram } from "../../core/tasks/tasks.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";

export const BUILT_IN_RUNTIME = "gantry-runc";

/** What Docker calls its own runtime means ours, unless the configuration says what it is. */
const DOCKERS_NAMES = ["runc", "io.containerd.runc.v2"];

export interface Runtimes {
  /** For containers that name none. */
  readonly defaultName: string;
  readonly programs: ReadonlyMap<string, RuntimeProgram>;
}

/** Throws `invalid_argument` for a default that is not among them, and for a second runtime of the built-in one's name. */
export function chooseRuntimes(programs: ReadonlyMap<string, RuntimeProgram>, defaultName: string): Runtimes {
  if (programs.has(BUILT_IN_RUNTIME))
    throw fail("invalid_argument", `the runtime name "${BUILT_IN_RUNTIME}" is reserved`);
  const runtimes = { defaultName: defaultName === "" ? BUILT_IN_RUNTIME : defaultName, programs };
  if (!isRuntime(runtimes, runtimes.defaultName))
    throw fail("invalid_argument", `specified default runtime '${defaultName}' does not exist`);
  return runtimes;
}

/** "" is the default one. */
export function isRuntime({ programs }: Runtimes, name: string): boolean {
  return name === "" || name === BUILT_IN_RUNTIME || programs.has(name) || DOCKERS_NAMES.includes(name);
}

/** Undefined for the built-in runtime. Throws `invalid_argument` for a name that the configuration has no longer. */
export function programOf(runtimes: Runtimes, name: string): RuntimeProgram | undefined {
  const program = runtimes.programs.get(name === "" ? runtimes.defaultName : name);
  if (program === undefined && !isRuntime(runtimes, name)) throw unknownRuntime(name);
  return program;
}

export function unknownRuntime(name: string): Error {
  return fail("invalid_argument", `unknown or invalid runtime name: ${name}`);
}

/** As GET /info shows them. */
export function runtimeTable({
  programs,
}: Runtimes): Readonly<Record<string, { readonly path: string; readonly runtimeArgs?: readonly string[] }>> {
  const table = emptyMap<{ readonly path: string; readonly runtimeArgs?: readonly string[] }>();
  for (const name of [BUILT_IN_RUNTIME, ...DOCKERS_NAMES]) table[name] = { path: BUILT_IN_RUNTIME };
  for (const [name, { path, args }] of programs)
    table[name] = args.length === 0 ? { path } : { path, runtimeArgs: args };
  return table;
}
