/** Detailed views of single things: the engine's documents, or what a template makes of them. */
import { messageOf } from "../../base/errors.ts";
import type { Cli } from "../cli.ts";
import { describe } from "../dispatch.ts";
import { Exit } from "../exit.ts";
import { indentJson } from "./json-text.ts";
import { escapeControls } from "./text.ts";

/**
 * Prints the document of each name, `find` returning its JSON text. What was found is printed even when others were not, or
 * did not fit the template; the status is 1 then.
 */
export async function inspectEach(
  cli: Cli,
  names: readonly string[],
  format: string,
  find: (name: string) => Promise<string>,
): Promise<number> {
  const show = format === "" || format === "json" ? asIs : await templateOf(format);
  const shown: string[] = [];
  const failures: string[] = [];
  for (const name of names) {
    try {
      shown.push(show(await find(name)));
    } catch (error) {
      failures.push(describe(error));
    }
  }
  if (format === "") await cli.out.write(`${escapeControls(indentJson(`[${shown.join(",")}]`))}\n`);
  else if (format === "json") await cli.out.write(`${escapeControls(`[${shown.join(",")}]`)}\n`);
  else await cli.printMade(`${shown.join("\n")}\n`);
  if (failures.length === 0) return 0;
  await cli.warn(failures.join("\n"));
  return 1;
}

function asIs(document: string): string {
  return document.trim();
}

async function templateOf(format: string): Promise<(document: string) => string> {
  const execute = await compile(format);
  const { withOmittedFields } = await import("./omitted-fields.ts");
  return (document) => {
    const value: unknown = JSON.parse(document);
    try {
      return execute(withOmittedFields(value));
    } catch {
      return execute(value); // what is wrong is said of the document as it is, as by Docker
    }
  };
}

/** One value through a template, with a line end. */
export async function printDocument(cli: Cli, format: string, value: unknown): Promise<void> {
  const execute = await compile(format);
  await cli.printMade(`${execute(value)}\n`);
}

/** A template that is none ends the command with status 64, one that a value does not fit with status 1. */
async function compile(format: string): Promise<(value: unknown) => string> {
  const { compileTemplate, TemplateError } = await import("./template.ts");
  const attempt = <T>(status: number, action: () => T): T => {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      throw new Exit(status, `template parsing error: ${messageOf(error)}`);
    }
  };
  const template = attempt(64, () => compileTemplate(format, ""));
  return (value) => attempt(1, () => template.execute(value));
}
