import { fail } from "../../base/errors.ts";
import { formatDecimalSize } from "../../base/units.ts";
import { child, type Fields, fieldsOf, flag, number, text } from "../../client/fields.ts";
import { jsonLines } from "../../client/json-lines.ts";
import type { Cli } from "../cli.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { isTerminal } from "../terminal.ts";

export function command(): Command {
  const flags = new FlagSet();
  const deep = flags.bool("deep", false, "Unpack every layer again and compare all files");
  const quiet = flags.bool("quiet", false, "Only show problems", { short: "q" });
  const repair = flags.bool("repair", false, "Mend what can be mended");
  return {
    usage: "[OPTIONS]",
    flags,
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const engine = await cli.engine();
      const response = await engine.call({
        method: "POST",
        path: "/system/check",
        query: { deep: deep.value ? 1 : undefined, repair: repair.value ? 1 : undefined },
      });
      const showsProgress = !quiet.value && (await isTerminal(2));
      const summary = await show(cli, jsonLines(response.body), showsProgress);
      const problems = number(summary, "problems");
      const left = problems - number(summary, "mended");
      if (!quiet.value) await cli.print(summaryText(problems, left));
      return left === 0 ? 0 : 1;
    },
  };
}

/** Problems on standard output as they are found, progress on a terminal at standard error. Returns the summary. */
async function show(cli: Cli, messages: AsyncIterable<unknown>, showsProgress: boolean): Promise<Fields> {
  const clear = showsProgress ? "\r\u001b[2K" : "";
  for await (const message of messages) {
    const fields = fieldsOf(message);
    const failure = text(fields, "error");
    if (failure !== "") {
      await cli.err.write(clear);
      throw fail("internal", `the check was not finished: ${failure}`);
    }
    if ("summary" in fields) {
      await cli.err.write(clear);
      return child(fields, "summary");
    }
    if ("problem" in fields) {
      await cli.err.write(clear);
      await cli.print(problemText(child(fields, "problem")));
    } else if (showsProgress) await cli.err.write(`${clear}${progressText(child(fields, "progress"))}`);
  }
  throw fail("internal", "the check was not finished: the engine went away");
}

function progressText(progress: Fields): string {
  const step = text(progress, "step");
  const [current, total] = [number(progress, "current"), number(progress, "total")];
  const amounts =
    step === "blobs"
      ? `${formatDecimalSize(current, 3)}/${formatDecimalSize(total, 3)}`
      : `${current}/${total}`;
  return `Checking ${step} ${amounts}`;
}

/** "damaged-layer sha256:…: its files are missing (mended)", and below it what to do. */
function problemText(problem: Fields): string {
  const head = `${text(problem, "kind")} ${text(problem, "subject")}: ${text(problem, "detail")}`;
  if (flag(problem, "isMended")) return `${head} (mended)`;
  const advice = text(problem, "advice");
  return advice === "" ? head : `${head}\n  ${advice}`;
}

function summaryText(problems: number, left: number): string {
  if (problems === 0) return "No problems found";
  const found = `${problems} ${problems === 1 ? "problem" : "problems"} found`;
  if (left === 0) return `${found}, all mended`;
  return left === problems ? found : `${found}, ${problems - left} mended`;
}
