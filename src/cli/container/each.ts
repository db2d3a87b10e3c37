/** Commands that do the same to several things and go on after a failure. */
import type { Cli } from "../cli.ts";
import { describe } from "../dispatch.ts";

const PARALLEL = 50;

/**
 * Works on all names, up to 50 at a time, prints what `act` returns (the name by default) in the order given, and the
 * failures as they are known. Exit status 1 when anything failed.
 */
export async function forEach(
  cli: Cli,
  names: readonly string[],
  act: (name: string) => Promise<string | undefined>,
): Promise<number> {
  const queue = [...names.entries()];
  const results = names.map(() => Promise.withResolvers<string | undefined>());
  for (const result of results) result.promise.catch(() => {});
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [at, name] = next;
      await act(name).then(
        (line) => results[at]?.resolve(line),
        (error: unknown) => results[at]?.reject(error),
      );
    }
  };
  const workers = Array.from({ length: Math.min(PARALLEL, names.length) }, worker);
  const failures: string[] = [];
  for (const result of results) {
    try {
      const line = await result.promise;
      if (line !== undefined) await cli.print(line);
    } catch (error) {
      failures.push(describe(error));
    }
  }
  await Promise.all(workers);
  if (failures.length === 0) return 0;
  await cli.warn(failures.join("\n"));
  return 1;
}

/** A path segment for a name that the user typed. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}
