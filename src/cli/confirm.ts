import { standardInput } from "../base/bun-stdio.ts";
import type { Cli } from "./cli.ts";

const MAX_ANSWER_LENGTH = 1024;

/** Asks on standard output; only "y" or "Y" on the first line of standard input is a yes. */
export async function confirm(cli: Cli, warning: string): Promise<boolean> {
  await cli.out.write(`${warning}\nAre you sure you want to continue? [y/N] `);
  let answer = "";
  const decoder = new TextDecoder();
  for await (const chunk of standardInput()) {
    answer += decoder.decode(chunk, { stream: true });
    if (answer.includes("\n") || answer.length > MAX_ANSWER_LENGTH) break;
  }
  return /^\s*y\s*$/i.test(answer.split("\n", 1)[0] ?? "");
}
