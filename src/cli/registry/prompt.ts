/** Questions at the terminal. */
import type { Cli } from "../cli.ts";
import { Exit } from "../exit.ts";
import { enterRawMode } from "../terminal.ts";

const MAX_ANSWER = 4096;
const INTERRUPTED = 130;

/** Shows what is typed when `isShown`; a password is not. */
export async function ask(cli: Cli, question: string, isShown: boolean): Promise<string> {
  // First: whoever sees the question may answer it at once.
  const restore = await enterRawMode();
  let answer: string;
  try {
    await cli.out.write(question);
    answer = await typed(async (text) => {
      if (isShown) await cli.out.write(text);
    });
  } finally {
    restore();
    await cli.out.write("\n");
  }
  return answer;
}

/** One line, edited as a terminal would: erase, erase all, interrupt, end. */
async function typed(show: (text: string) => Promise<void>): Promise<string> {
  const { stdin } = process;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const decoder = new TextDecoder();
  let answer: string[] = [];
  let showing = Promise.resolve();
  const echo = (text: string): void => {
    showing = showing.then(() => show(text));
  };
  const onKey = (key: string): void => {
    if (key === "\r" || key === "\n" || key === "\u0004") resolve();
    else if (key === "\u0003") reject(new Exit(INTERRUPTED, ""));
    else if (key === "\u007f" || key === "\b") {
      if (answer.pop() !== undefined) echo("\b \b");
    } else if (key === "\u0015") {
      echo("\b \b".repeat(answer.length));
      answer = [];
    } else if (key >= " " && answer.length < MAX_ANSWER) {
      answer.push(key);
      echo(key);
    }
  };
  const onData = (chunk: Buffer): void => {
    for (const key of decoder.decode(chunk, { stream: true })) onKey(key);
  };
  stdin.on("data", onData);
  stdin.on("end", resolve);
  stdin.resume();
  try {
    await promise;
    await showing;
  } finally {
    stdin.off("data", onData);
    stdin.off("end", resolve);
    stdin.pause();
  }
  return answer.join("");
}
