/**
 * How large containers' roots may get: what users ask of the storage driver (`--storage-opt`), for one container and for all, in
 * Docker's words and with its status, which differ from driver to driver.
 */
import { fail, type GantryError } from "../../base/errors.ts";
import { parseBinarySize } from "../../base/units.ts";
import type { ProjectQuotas } from "./project-quotas.ts";

interface DriverWords {
  /** The daemon's option for all containers; undefined: there is none. */
  readonly key?: string;
  /** Of a container's option. */
  readonly nameOf: (option: string) => string;
  readonly unsupported: () => GantryError;
  readonly unknown: (option: string) => GantryError;
  readonly invalid: (text: string) => GantryError;
  readonly unknownDefault: (key: string) => string;
  readonly unsupportedDefault: () => string;
}

const NO_QUOTAS = "Filesystem does not support, or has not enabled quotas";

function overlayWords(driver: string): DriverWords {
  const key = `${driver}.size`;
  return {
    key,
    nameOf: (option) => option.toLowerCase(),
    unsupported: () =>
      fail("internal", "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"),
    unknown: (option) => fail("internal", `Unknown option ${option}`),
    invalid: (text) => fail("internal", invalidSize(text)),
    unknownDefault: (option) => `${driver}: unknown option ${option}`,
    unsupportedDefault: () =>
      `Storage option ${key} not supported. Filesystem does not support Project Quota: ${NO_QUOTAS}`,
  };
}

const VFS: DriverWords = {
  key: "size",
  nameOf: (option) => option,
  unsupported: () => fail("not_implemented", NO_QUOTAS),
  unknown: (option) => fail("invalid_argument", `Storage opt ${option} not supported`),
  invalid: (text) => fail("invalid_argument", invalidSize(text)),
  unknownDefault: (option) => `unknown option ${option} for vfs`,
  unsupportedDefault: () => NO_QUOTAS,
};

/** A subvolume's size is limited by quota groups, which are not made here. */
const BTRFS: DriverWords = {
  nameOf: (option) => option.toLowerCase(),
  unsupported: () =>
    fail(
      "not_implemented",
      '"--storage-opt size" is not supported by the storage driver btrfs of this engine',
    ),
  unknown: (option) => fail("internal", `Unknown option ${option}`),
  invalid: (text) => fail("internal", invalidSize(text)),
  unknownDefault: (option) => `Unknown option ${option}`,
  unsupportedDefault: () => NO_QUOTAS,
};

const WORDS: ReadonlyMap<string, DriverWords> = new Map([
  ["vfs", VFS],
  ["btrfs", BTRFS],
]);

export class RootSizes {
  readonly #words: DriverWords;
  readonly #quotas: Pick<ProjectQuotas, "areEnforced">;
  /** Of containers that do not say it; 0 = no limit. */
  readonly #byDefault: number;

  /**
   * `options`: the daemon's, "key=value". Throws `invalid_argument` for one that the driver does not have, `unavailable` where the
   * file system cannot keep to it.
   */
  constructor(driver: string, quotas: Pick<ProjectQuotas, "areEnforced">, options: readonly string[]) {
    this.#words = WORDS.get(driver) ?? overlayWords(driver);
    this.#quotas = quotas;
    this.#byDefault = options.reduce((_, option) => this.#defaultOf(option), 0);
    if (this.#byDefault > 0 && !this.#quotas.areEnforced)
      throw fail("unavailable", this.#words.unsupportedDefault());
  }

  /** The bytes for a container with these options, 0 = any number. */
  of(options: Readonly<Record<string, string>>): number {
    const { nameOf, unsupported, unknown, invalid } = this.#words;
    const named = Object.entries(options).map(([option, value]) => [nameOf(option), value] as const);
    const size = named.find(([name]) => name === "size")?.[1];
    if (size !== undefined && !this.#quotas.areEnforced) throw unsupported();
    const [other] = named.find(([name]) => name !== "size") ?? [];
    if (other !== undefined) throw unknown(other.slice(0, 200));
    if (size === undefined) return this.#byDefault;
    const bytes = parseBinarySize(size);
    if (bytes === undefined) throw invalid(size);
    return bytes;
  }

  #defaultOf(option: string): number {
    const parts = /^([^=]+)=(.*)$/s.exec(option);
    if (parts === null)
      throw fail("invalid_argument", `unable to parse key/value option: ${option.slice(0, 200)}`);
    const [, name = "", value = ""] = parts;
    const key = this.#words.nameOf(name.trim());
    if (key !== this.#words.key)
      throw fail("invalid_argument", this.#words.unknownDefault(key.slice(0, 100)));
    const bytes = parseBinarySize(value.trim());
    if (bytes === undefined) throw fail("invalid_argument", invalidSize(value));
    return bytes;
  }
}

function invalidSize(text: string): string {
  return `invalid size: '${text.slice(0, 100)}'`;
}
