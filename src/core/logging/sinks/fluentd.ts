/**
 * Fluentd's forward protocol (version 1), in forward mode: [tag, [[time, record], …], option], one such message a batch. With
 * `fluentd-request-ack` the option has a "chunk", and the sink sends it back as "ack" when it has the batch.
 */
import { randomBytes } from "node:crypto";
import type { LogRecord } from "../forward/records.ts";
import type { FluentdTarget } from "../remote-log.ts";
import type { Encoder } from "./encoder.ts";
import { pack, type Packable } from "./msgpack.ts";

const CHUNK_BYTES = 16;

export function fluentdEncoder(target: FluentdTarget): Encoder {
  const own = new Map<string, Packable>([
    ["container_id", target.containerId],
    ["container_name", `/${target.containerName}`],
  ]);
  return {
    kind: "stream",
    isAcknowledged: target.requestAck,
    encode: (records) => {
      const ack = target.requestAck ? randomBytes(CHUNK_BYTES).toString("base64") : undefined;
      const option = new Map<string, Packable>([["size", records.length]]);
      if (ack !== undefined) option.set("chunk", ack);
      const entries = records.map(
        (record): Packable => [
          target.subSecond ? { eventTime: [record.seconds, record.nanos] } : record.seconds,
          // What the container's image chose must not pass for what the engine says.
          new Map([...target.attributes, ...own, ...fieldsOf(record)]),
        ],
      );
      return { bytes: pack([target.tag, entries, option]), ack };
    },
  };
}

function fieldsOf({ stream, text, part }: LogRecord): readonly (readonly [string, Packable])[] {
  const fields: (readonly [string, Packable])[] = [
    ["source", stream === 2 ? "stderr" : "stdout"],
    ["log", text],
  ];
  if (part !== undefined)
    fields.push(
      ["partial_message", "true"],
      ["partial_id", part.id],
      ["partial_ordinal", String(part.ordinal)],
      ["partial_last", String(part.isLast)],
    );
  return fields;
}
