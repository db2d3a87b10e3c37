/** Detailed views of single things: the engine's documents, or what a template makes of them. */
import { messageOf } from "../../base/errors.ts";
import type { Cli } from "../cli.ts";
import { describe } from "../dispatch.ts";
import { Exit } from "../exit.ts";
import { indentJson } from "./json-text.ts";

/**
 * Prints the document of each name, `find` returning its JSON text. What was found is printed even when others were not;
 * the status is 1 then.
 */
export async function inspectEach(
  cli: Cli,
  names: readonly string[],
  format: string,
  find: (name: string) => Promise<string>,
): Promise<number> {
  const documents: string[] = [];
  const failures: string[] = [];
  for (const name of names) {
    try {
      documents.push(await find(name));
    } catch (error) {
      failures.push(describe(error));
    }
  }
  if (format === "") await cli.out.write(`${indentJson(`[${documents.join(",")}]`)}\n`);
  else if (format === "json") await cli.print(`[${documents.map((document) => document.trim()).join(",")}]`);
  else await printTemplates(cli, format, documents);
  if (failures.length === 0) return 0;
  await cli.warn(failures.join("\n"));
  return 1;
}

async function printTemplates(cli: Cli, format: string, documents: readonly string[]): Promise<void> {
  if (documents.length === 0) await cli.print("");
  for (const document of documents) await printDocument(cli, format, JSON.parse(document));
}

/** One value through a template, with a line end. */
export async function printDocument(cli: Cli, format: string, value: unknown): Promise<void> {
  const { compileTemplate, TemplateError } = await import("./template.ts");
  try {
    await cli.print(compileTemplate(format, "").execute(value));
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw new Exit(error.phase === "parse" ? 64 : 1, `template parsing error: ${messageOf(error)}`);
  }
}
