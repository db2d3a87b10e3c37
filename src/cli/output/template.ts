/**
 * Go's text/template, as far as `--format` uses it: fields, variables, pipelines, `if`, `range`, `with`, trim markers and
 * the functions of Go and of Docker's CLI. Templates that define or call other templates are refused by name.
 */
import { type Node, parseTemplate } from "./template-parse.ts";
import { evaluate } from "./template-eval.ts";
import { TemplateError } from "./template-error.ts";
import type { TemplateRecord } from "./template-value.ts";

export { TemplateError };

export interface Template {
  /** Throws TemplateError with Go's wording. */
  execute(data: unknown): string;
  /** The template over column headers: functions that change a value leave a header as it is. */
  header(data: TemplateRecord): string;
}

/** `name` appears in messages the way Go shows a template's name. Throws TemplateError for a wrong template. */
export function compileTemplate(source: string, name: string): Template {
  const nodes: readonly Node[] = parseTemplate(source, name);
  return {
    execute: (data) => evaluate(nodes, data, { name, headers: false }),
    header: (data) => evaluate(nodes, data, { name, headers: true }),
  };
}
