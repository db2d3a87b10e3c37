/** What is made of records before they are sent. Nothing of a container's output may end a message or add a field to one. */
import type { LogRecord } from "../forward/records.ts";

/** For a stream. */
export interface StreamBatch {
  readonly bytes: Uint8Array;
  /** What the sink answers when it has the batch; undefined = nothing. */
  readonly ack: string | undefined;
}

export interface StreamEncoder {
  readonly kind: "stream";
  /** Every batch has an `ack`. */
  readonly isAcknowledged: boolean;
  encode(records: readonly LogRecord[]): StreamBatch;
}

/** One message each; a sink that knows no datagrams of a size gets the message by descriptor, if it understands that. */
export interface DatagramEncoder {
  readonly kind: "datagrams";
  /** Whether a message that is too large for the socket can be handed over as a sealed file. */
  readonly byDescriptor: boolean;
  encode(records: readonly LogRecord[]): readonly Uint8Array[];
}

export type Encoder = StreamEncoder | DatagramEncoder;
