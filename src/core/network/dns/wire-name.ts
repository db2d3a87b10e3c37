/**
 * Domain names as they travel (RFC 1035 §3.1, §4.1.4): labels with their lengths, or a pointer to an earlier name. As text they
 * are in lower case, without the final dot; bytes that no host name has are escaped as in zone files ("\.", "\032"), so
 * no two names look alike.
 */
import { GantryError } from "../../../base/errors.ts";

/** What came is no DNS message. Nothing else is ever thrown by what reads messages. */
export class FormatError extends GantryError {
  constructor(message: string) {
    super("invalid_argument", `malformed DNS message: ${message}`);
    this.name = "FormatError";
  }
}

export const HEADER_BYTES = 12;
const MAX_LABEL_BYTES = 63;
const MAX_NAME_BYTES = 255;
const MAX_JUMPS = 16;

export interface WireName {
  readonly text: string;
  /** Where what follows the name begins. */
  readonly end: number;
}

/** The name that begins at `at`. Pointers lead backwards only, and never into the header. */
export function readName(bytes: Uint8Array, at: number): WireName {
  let text = "";
  let total = 1;
  let jumps = 0;
  let end: number | undefined;
  let segment = at; // where the labels that are being read began
  let i = at;
  for (;;) {
    const length = byteAt(bytes, i);
    if (length === 0) return { text, end: end ?? i + 1 };
    if (length >= 0xc0) {
      const target = ((length & 0x3f) << 8) | byteAt(bytes, i + 1);
      end ??= i + 2;
      if (target >= segment || target < HEADER_BYTES)
        throw new FormatError("a name's pointer does not lead backwards");
      if (++jumps > MAX_JUMPS) throw new FormatError("a name has too many pointers");
      segment = target;
      i = target;
      continue;
    }
    if (length > MAX_LABEL_BYTES) throw new FormatError("unknown kind of label");
    total += length + 1;
    if (total > MAX_NAME_BYTES) throw new FormatError("a name is too long");
    if (i + 1 + length > bytes.length) throw new FormatError("a label ends beyond the message");
    text += text === "" ? labelText(bytes, i + 1, length) : `.${labelText(bytes, i + 1, length)}`;
    i += 1 + length;
  }
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new FormatError("a name ends beyond the message");
  return byte;
}

function labelText(bytes: Uint8Array, at: number, length: number): string {
  let text = "";
  for (let i = at; i < at + length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >= 0x41 && byte <= 0x5a) text += String.fromCharCode(byte + 0x20);
    else if (byte === 0x2e || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte > 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\${String(byte).padStart(3, "0")}`;
  }
  return text;
}

/** A name of plain labels, as bytes; undefined when it cannot travel: an empty or long label, or too long as a whole. */
export function nameBytes(text: string): Uint8Array | undefined {
  const labels = text === "" ? [] : text.split(".").map((label) => Buffer.from(label));
  const size = labels.reduce((sum, label) => sum + 1 + label.length, 1);
  if (size > MAX_NAME_BYTES) return undefined;
  if (labels.some((label) => label.length === 0 || label.length > MAX_LABEL_BYTES)) return undefined;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const label of labels) {
    bytes[at] = label.length;
    bytes.set(label, at + 1);
    at += 1 + label.length;
  }
  return bytes;
}
