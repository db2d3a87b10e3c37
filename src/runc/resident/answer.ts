/** What a resident compiler says to the launcher, as bytes: native/include/resident.h. */
import { BinaryWriter } from "../../base/binary.ts";

const READY = 1;
const ANSWER = 2;
const TARGETS = { output: 1, errors: 2, file: 3 } as const;
const ENDS = { exit: 1, become: 2, yourself: 3 } as const;

export const MAX_ANSWER_BYTES: number = 64 << 10;
const MAX_WRITES = 256;

/** Text for a standard stream of the caller's, or for the end of a file. */
export interface Output {
  readonly target: keyof typeof TARGETS;
  /** Absolute; "" unless it is one. */
  readonly file: string;
  readonly text: string;
}

export type End =
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "become"; readonly preserved: number; readonly argv: readonly string[] }
  | { readonly kind: "yourself" };

export function encodeReady(): Uint8Array {
  return message(new BinaryWriter().u32(0).u32(READY));
}

/** Undefined when it is more than the launcher takes. */
export function encodeAnswer(outputs: readonly Output[], end: End): Uint8Array | undefined {
  const joined = join(outputs);
  if (joined.length > MAX_WRITES || joined.some(({ text }) => text.length > MAX_ANSWER_BYTES))
    return undefined;
  const writer = new BinaryWriter().u32(0).u32(ANSWER).u32(joined.length);
  for (const { target, file, text } of joined) writer.u32(TARGETS[target]).str(file).blob(Buffer.from(text));
  writer.u32(ENDS[end.kind]);
  switch (end.kind) {
    case "exit":
      writer.u32(end.code & 0xff).strv([]);
      break;
    case "become":
      writer.u32(end.preserved).strv(end.argv);
      break;
    case "yourself":
      writer.u32(0).strv([]);
  }
  return writer.length - 4 > MAX_ANSWER_BYTES ? undefined : message(writer);
}

/** What follows itself to the same place becomes one write. */
function join(outputs: readonly Output[]): Output[] {
  const joined: Output[] = [];
  for (const output of outputs) {
    const last = joined.at(-1);
    if (last !== undefined && last.target === output.target && last.file === output.file)
      joined[joined.length - 1] = { ...last, text: last.text + output.text };
    else joined.push(output);
  }
  return joined;
}

function message(writer: BinaryWriter): Uint8Array {
  writer.patchU32(0, writer.length - 4);
  return writer.bytes();
}
