/** What templates work on. */
import type { Fields } from "../../client/fields.ts";

/** A row of a list: its fields are computed when asked for. */
export interface TemplateRecord {
  readonly kind: "record";
  readonly typeName: string;
  readonly fields: ReadonlyMap<string, () => string>;
  /** Fields with an argument, such as `.Label "name"`. */
  readonly lookups: ReadonlyMap<string, (argument: string) => string>;
}

export function isRecord(value: unknown): value is TemplateRecord {
  return (
    typeof value === "object" &&
    value !== null &&
    "kind" in value &&
    "lookups" in value &&
    value.kind === "record"
  );
}

/** Fields that Docker's templates know by another name than its documents have; both are good. */
const GO_NAMES: ReadonlyMap<string, string> = new Map([
  ["APIVersion", "ApiVersion"],
  ["CPUCfsPeriod", "CpuCfsPeriod"],
  ["CPUCfsQuota", "CpuCfsQuota"],
  ["CPUCount", "CpuCount"],
  ["CPUPercent", "CpuPercent"],
  ["CPUPeriod", "CpuPeriod"],
  ["CPUQuota", "CpuQuota"],
  ["CPURealtimePeriod", "CpuRealtimePeriod"],
  ["CPURealtimeRuntime", "CpuRealtimeRuntime"],
  ["CPUShares", "CpuShares"],
  ["DNS", "Dns"],
  ["DNSOptions", "DnsOptions"],
  ["DNSSearch", "DnsSearch"],
  ["HTTPProxy", "HttpProxy"],
  ["HTTPSProxy", "HttpsProxy"],
  ["HostIP", "HostIp"],
  ["ID", "Id"],
  ["NanoCPUs", "NanoCpus"],
]);

/** The name by which a document has a field that a template asks for; undefined when it has none. */
export function ownName(fields: Fields, name: string): string | undefined {
  if (Object.hasOwn(fields, name)) return name;
  const other = GO_NAMES.get(name);
  return other !== undefined && Object.hasOwn(fields, other) ? other : undefined;
}

const OPEN = Symbol("keys that nobody knows beforehand");

/** A map in which a key that is absent is no mistake of the template's: such as the attributes of an event. */
export function openMap(fields: Fields): Fields {
  const map = Object.assign(Object.create(null), fields);
  return Object.defineProperty(map, OPEN, { value: true, enumerable: false });
}

export function isOpenMap(fields: Fields): boolean {
  return OPEN in fields;
}
