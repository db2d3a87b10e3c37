/** Value grammars of flags that several commands share; each throws an Error that says what is wrong. */
import { durationError, parseDuration } from "../../base/duration.ts";
import { formatIp, isIpAddress, parseIp } from "../../base/ip-address.ts";
import { parseBinarySize } from "../../base/units.ts";

/** Bytes: "64m", "1.5g". */
export function parseBytes(text: string): number {
  const bytes = parseBinarySize(text);
  if (bytes === undefined) throw new Error(`invalid size: '${text}'`);
  return bytes;
}

/** Bytes, or -1 for unlimited. */
export function parseSwapBytes(text: string): number {
  return text === "-1" ? -1 : parseBytes(text);
}

/** Nanoseconds: "1m30s". */
export function parseDurationFlag(text: string): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds === undefined) throw new Error(durationError(text));
  return nanoseconds;
}

/** A number of processors as billionths: "1.5", "1/2", "1e-1". */
export function parseNanoCpus(text: string): number {
  const match = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,4}))?(?:\/(\d+))?$/.exec(text);
  if (match === null || (match[4] !== undefined && (match[3] !== undefined || match[2]?.includes("."))))
    throw new Error(`failed to parse ${text} as a rational number`);
  const [whole = "", fraction = ""] = (match[2] ?? "").split(".");
  const divisor = BigInt(match[4] ?? "1");
  if (divisor === 0n) throw new Error(`failed to parse ${text} as a rational number`);
  const shift = 9 + Number(match[3] ?? "0") - fraction.length;
  const digits = BigInt(whole + fraction);
  if (shift > 400 || shift < -400) throw new Error("value is too precise");
  const numerator = shift >= 0 ? digits * 10n ** BigInt(shift) : digits;
  const denominator = shift >= 0 ? divisor : divisor * 10n ** BigInt(-shift);
  if (numerator % denominator !== 0n) throw new Error("value is too precise");
  const nano = numerator / denominator;
  if (nano > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`${text} is out of range`);
  return match[1] === "-" ? -Number(nano) : Number(nano);
}

/** `KEY=VALUE` or `KEY`; the name must not be empty. */
export function checkEnvironmentVariable(text: string): string {
  if (text === "" || text.startsWith("=")) throw new Error(`invalid environment variable: ${text}`);
  return text;
}

export function checkLabel(text: string): string {
  const name = (text.split("=", 1)[0] ?? "").replace(/^[ \t]+/, "");
  if (name === "") throw new Error(`invalid label '${text}': empty name`);
  if (/[ \t]/.test(name)) throw new Error(`label '${name}' contains whitespaces`);
  return text;
}

export function checkFilter(text: string): string {
  if (!text.includes("=")) throw new Error("bad format of filter (expected name=value)");
  return text;
}

export function checkAttach(text: string): string {
  const stream = text.toLowerCase();
  if (!["stdin", "stdout", "stderr"].includes(stream))
    throw new Error("valid streams are STDIN, STDOUT and STDERR");
  return stream;
}

/** `name:address` or `name=address`, as `name:address` without brackets. */
export function checkExtraHost(text: string): string {
  const cut = text.includes("=") ? text.indexOf("=") : text.indexOf(":");
  const name = text.slice(0, Math.max(cut, 0));
  if (name === "" || name.includes(":")) throw new Error(`bad format for add-host: ${JSON.stringify(text)}`);
  const given = text.slice(cut + 1);
  if (given === "host-gateway") return `${name}:${given}`;
  const address = (/^\[(.+)\]$/.exec(given)?.[1] ?? given).trim();
  if (!isIpAddress(address)) throw new Error(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  return `${name}:${address}`;
}

export function checkIpAddress(text: string): string {
  const address = parseIp(text.trim());
  if (address === undefined) throw new Error(`IP address is not correctly formatted: ${text}`);
  return formatIp(address);
}

export function checkDnsSearch(text: string): string {
  const domain = text.trim();
  if (domain === ".") return domain;
  const label = "[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?";
  const valid = domain.length <= 253 && new RegExp(`^(?:${label})(?:\\.${label})*\\.?$`).test(domain);
  if (!valid || !/[a-zA-Z]/.test(domain)) throw new Error(`${text} is not a valid domain`);
  return domain.replace(/\.$/, "");
}

const SYSCTLS = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

export function checkSysctl(text: string): string {
  const [key = ""] = text.split("=", 1);
  const known = SYSCTLS.has(key) || key.startsWith("net.") || key.startsWith("fs.mqueue.");
  if (!known || !text.includes("=")) throw new Error(`sysctl '${text}' is not allowed`);
  return text;
}

export function checkDeviceCgroupRule(text: string): string {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text))
    throw new Error(`invalid device cgroup format '${text}'`);
  return text;
}

export function checkLink(text: string): string {
  const parts = text.split(":");
  if (text === "") throw new Error("empty string specified for links");
  if (parts.length > 2) throw new Error(`bad format for links: ${text}`);
  return text;
}

/** Splits `key=value` items into a map; an item without `=` has the empty value, a later item wins. */
export function keyValues(items: readonly string[]): Record<string, string> {
  const pairs = items.map((item): [string, string] => {
    const cut = item.indexOf("=");
    return cut < 0 ? [item, ""] : [item.slice(0, cut), item.slice(cut + 1)];
  });
  return fromPairs(pairs);
}

/** An object without a prototype, so that keys such as `__proto__` are keys like any other. */
export function fromPairs<T>(pairs: Iterable<readonly [string, T]>): Record<string, T> {
  const map: Record<string, T> = Object.create(null);
  for (const [key, value] of pairs) map[key] = value;
  return map;
}

/** The comma-separated fields of one CSV line; a field in double quotes may hold commas. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  let rest = text;
  for (;;) {
    const quoted = /^"((?:[^"]|"")*)"(?=,|$)/.exec(rest);
    const field = quoted === null ? (/^[^,]*/.exec(rest)?.[0] ?? "") : quoted[0];
    if (quoted === null && field.includes('"')) throw new Error(`bare " in ${JSON.stringify(text)}`);
    fields.push(quoted === null ? field : (quoted[1] ?? "").replaceAll('""', '"'));
    rest = rest.slice(field.length);
    if (rest === "") return fields;
    rest = rest.slice(1);
  }
}
