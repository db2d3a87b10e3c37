/**
 * Syslog messages as Docker forms them: BSD style (RFC 3164, with or without the host's name), RFC 5424 with the tag for
 * application and message id. Times are those of the lines, in the host's zone.
 *
 *     <30>Jan  2 15:04:05 tag[pid]: text\n
 *     <30>1 2006-01-02T15:04:05+01:00 host tag pid tag - text\n
 *
 * A message ends with its newline, or has its length before it (RFC 5425). Newlines, carriage returns and NULs of the
 * container are #012, #015 and #000, as rsyslog writes them.
 */
import type { LogRecord } from "../forward/records.ts";
import type { SyslogTarget } from "../remote-log.ts";
import type { Encoder } from "./encoder.ts";

const SEVERITY_ERROR = 3;
const SEVERITY_INFO = 6;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const TAG_MAX = 1024;

export function syslogEncoder(target: SyslogTarget): Encoder {
  const message = messageMaker(target);
  const messages = (records: readonly LogRecord[]): Buffer[] =>
    records.filter(({ text }) => text.length > 0).map(message);
  const { kind } = target.endpoint;
  if (kind === "udp" || kind === "unixgram")
    return { kind: "datagrams", byDescriptor: false, encode: messages };
  return {
    kind: "stream",
    isAcknowledged: false,
    encode: (records) => ({ bytes: Buffer.concat(messages(records)), ack: undefined }),
  };
}

function messageMaker(target: SyslogTarget): (record: LogRecord) => Buffer {
  const tag = word(target.tag);
  const host = word(target.hostname);
  const head = headMaker(target.format, { tag, host, pid: process.pid });
  return (record) => {
    const severity = record.stream === 2 ? SEVERITY_ERROR : SEVERITY_INFO;
    const priority = target.facility * 8 + severity;
    const text = harmless(record.text);
    const start = Buffer.from(head(priority, record));
    const message = Buffer.concat([start, text, NEWLINE]);
    return target.counted ? Buffer.concat([Buffer.from(`${message.length} `), message]) : message;
  };
}

const NEWLINE = Buffer.from("\n");

interface HeadWords {
  readonly tag: string;
  readonly host: string;
  readonly pid: number;
}

function headMaker(
  format: SyslogTarget["format"],
  { tag, host, pid }: HeadWords,
): (priority: number, record: LogRecord) => string {
  const stampOf = onceASecond(stamp);
  const dateOf = onceASecond(dateAndTime);
  const zoneOf = onceASecond((when) => zone(-when.getTimezoneOffset()));
  switch (format) {
    case "unix":
      return (priority, { seconds }) => `<${priority}>${stampOf(seconds)} ${tag}[${pid}]: `;
    case "rfc3164":
      return (priority, { seconds }) => `<${priority}>${stampOf(seconds)} ${host} ${tag}[${pid}]: `;
    case "rfc5424":
      return (priority, { seconds }) =>
        `<${priority}>1 ${dateOf(seconds)}${zoneOf(seconds)} ${host} ${tag} ${pid} ${tag} - `;
    case "rfc5424micro":
      return (priority, { seconds, nanos }) =>
        `<${priority}>1 ${dateOf(seconds)}${micro(nanos)}${zoneOf(seconds)} ${host} ${tag} ${pid} ${tag} - `;
  }
}

/** One word of a head: a blank or control character would begin the next field. */
function word(text: string): string {
  return text.slice(0, TAG_MAX).replace(/[\s\p{Cc}]/gu, "_") || "-";
}

function harmless(text: Buffer): Buffer {
  if (!text.includes(0x0a) && !text.includes(0x0d) && !text.includes(0)) return text;
  const latin1 = text
    .toString("latin1")
    .replaceAll("\n", "#012")
    .replaceAll("\r", "#015")
    .replaceAll("\0", "#000");
  return Buffer.from(latin1, "latin1");
}

/** Most lines share their second with the one before. */
function onceASecond(form: (when: Date) => string): (seconds: number) => string {
  let last = { seconds: Number.NaN, text: "" };
  return (seconds) => {
    if (last.seconds !== seconds) last = { seconds, text: form(new Date(seconds * 1000)) };
    return last.text;
  };
}

function stamp(when: Date): string {
  return `${MONTHS[when.getMonth()] ?? ""} ${String(when.getDate()).padStart(2, " ")} ${clock(when)}`;
}

function clock(when: Date): string {
  return [when.getHours(), when.getMinutes(), when.getSeconds()].map(twoDigits).join(":");
}

function dateAndTime(when: Date): string {
  return `${when.getFullYear()}-${twoDigits(when.getMonth() + 1)}-${twoDigits(when.getDate())}T${clock(when)}`;
}

function micro(nanos: number): string {
  return `.${String(Math.trunc(nanos / 1000)).padStart(6, "0")}`;
}

function zone(minutes: number): string {
  if (minutes === 0) return "Z";
  const east = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${twoDigits(Math.trunc(east / 60))}:${twoDigits(east % 60)}`;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}
