/** How an event lies on disk: "NUMBER NANOSECONDS JSON\n". What is asked of most lines stands before the JSON. */
import type { EventMessage } from "../../specs/engine/system.ts";
import type { NumberedEvent } from "./events.ts";

export function encodeLine({ number, event }: NumberedEvent): string {
  const { timeNano, ...rest } = event;
  return `${number} ${timeNano} ${JSON.stringify(rest)}\n`;
}

/** A line without its end; undefined for one that is damaged, as a full disk may leave it. */
export function decodeHead(line: string): { readonly number: number; readonly timeNano: bigint } | undefined {
  const head = /^(\d{1,15}) (\d{1,20}) \{/.exec(line);
  return head === null ? undefined : { number: Number(head[1]), timeNano: BigInt(head[2] ?? "") };
}

export function decodeLine(line: string): NumberedEvent | undefined {
  const head = decodeHead(line);
  if (head === undefined) return undefined;
  try {
    // Only this program writes into its own directory: a line that parses is an event.
    const event: Omit<EventMessage, "timeNano"> = JSON.parse(line.slice(line.indexOf("{")));
    return { number: head.number, event: { ...event, timeNano: head.timeNano } };
  } catch {
    return undefined;
  }
}
