import { fail, messageOf } from "./errors.ts";
import { IS_BUN } from "./bun.ts";

/** One YAML 1.2 document. Throws `invalid_argument`; `unavailable` under Node, which knows no YAML. */
export function parseYaml(text: string): unknown {
  if (!IS_BUN) throw fail("unavailable", "cannot read YAML: this runtime knows none");
  try {
    const value: unknown = Bun.YAML.parse(text);
    return value;
  } catch (error) {
    throw fail("invalid_argument", `invalid YAML: ${messageOf(error)}`, error);
  }
}
