import { standardInput } from "../../base/bun-stdio.ts";
import { Exit } from "../exit.ts";

const MAX_PASSWORD_BYTES = 64 << 10;

/** Standard input to its end, without the line end. */
export async function readAllInput(): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of standardInput()) {
    bytes += chunk.length;
    if (bytes > MAX_PASSWORD_BYTES) throw new Exit(1, "the password on standard input is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString().replace(/\n$/, "").replace(/\r$/, "");
}
