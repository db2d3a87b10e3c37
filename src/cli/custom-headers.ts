/** Headers of requests from a variable of the environment, in Docker's words: KEY=VALUE pairs as one line of CSV. */
import { Exit } from "./exit.ts";
import { csvFields } from "./options/values.ts";

/** Throws Exit. */
export function parseHeaders(variable: string, text: string): ReadonlyMap<string, string> {
  const failed = (how: string): Exit => new Exit(1, `Failed to initialize: ${how}`);
  let fields: readonly string[];
  try {
    fields = csvFields(text);
  } catch {
    throw failed(
      `failed to parse custom headers from ${variable} environment variable: value must be formatted as comma-separated key=value pairs`,
    );
  }
  const set = `failed to set custom headers from ${variable} environment variable`;
  return new Map(
    fields.map((pair) => {
      const sign = pair.indexOf("=");
      const name = (sign < 0 ? pair : pair.slice(0, sign)).trim();
      if (name === "") throw failed(`${set}: value contains a key=value pair with an empty key: '${pair}'`);
      if (sign < 0) throw failed(`${set}: missing "=" in key=value pair: '${pair}'`);
      return [name, pair.slice(sign + 1)];
    }),
  );
}
