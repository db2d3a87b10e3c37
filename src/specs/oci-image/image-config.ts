/**
 * The image configuration (config.md of the OCI image specification; Docker's image JSON), whose digest is the image's
 * id. All of it is data from strangers: nothing in it selects anything on the host.
 */
import { fail } from "../../base/errors.ts";
import { decodeContainerConfig } from "../engine/container.decode.ts";
import type { ContainerConfig } from "../engine/container.ts";
import { asString, Fields } from "../engine/fields.decode.ts";
import { checkDigest } from "./digest.ts";

export interface ImageConfig {
  /** RFC 3339, "" = not said. */
  readonly created: string;
  readonly author: string;
  readonly comment: string;
  readonly architecture: string;
  readonly variant: string;
  readonly os: string;
  readonly config: ContainerConfig | null;
  /** Base first. */
  readonly diffIds: readonly string[];
  readonly history: readonly ConfigHistory[];
}

export interface ConfigHistory {
  readonly created: string;
  readonly createdBy: string;
  readonly author: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
}

export function decodeImageConfig(value: unknown): ImageConfig {
  const fields = new Fields(value, "");
  const rootfs = fields.object("rootfs");
  // Docker's words.
  if (rootfs === null) throw fail("invalid_argument", "invalid image JSON, no RootFS key");
  const config = fields.object("config");
  return {
    created: timeOf(fields, "created"),
    author: fields.str("author"),
    comment: fields.str("comment"),
    architecture: fields.str("architecture"),
    variant: fields.str("variant"),
    os: fields.str("os"),
    config: config === null ? null : checkedConfig(config),
    diffIds: (rootfs.list("diff_ids", asString) ?? []).map(checkDigest),
    history: fields.list("history", (entry, path) => decodeHistory(new Fields(entry, path))) ?? [],
  };
}

function decodeHistory(fields: Fields): ConfigHistory {
  return {
    created: timeOf(fields, "created"),
    createdBy: fields.str("created_by"),
    author: fields.str("author"),
    comment: fields.str("comment"),
    emptyLayer: fields.bool("empty_layer"),
  };
}

function timeOf(fields: Fields, key: string): string {
  const text = fields.str(key);
  if (text !== "" && (!/^\d{4}-\d\d-\d\d[Tt]/.test(text) || Number.isNaN(Date.parse(text))))
    throw fail("invalid_argument", `field "${fields.at(key)}" is no time: "${text.slice(0, 100)}"`);
  return text;
}

/** No string of it may hold a NUL: it would end early wherever C reads it. */
function checkedConfig(fields: Fields): ContainerConfig {
  const config = decodeContainerConfig(fields);
  const lists: readonly (readonly [string, readonly string[] | null])[] = [
    ["Env", config.Env],
    ["Cmd", config.Cmd],
    ["Entrypoint", config.Entrypoint],
    ["Shell", config.Shell],
    ["Healthcheck.Test", config.Healthcheck?.Test ?? null],
    ["User", [config.User]],
    ["WorkingDir", [config.WorkingDir]],
    ["StopSignal", [config.StopSignal]],
    ["Volumes", Object.keys(config.Volumes ?? {})],
    ["ExposedPorts", Object.keys(config.ExposedPorts ?? {})],
  ];
  for (const [key, texts] of lists)
    if (texts?.some((text) => text.includes("\0")) === true)
      throw fail("invalid_argument", `field "${fields.at(key)}" holds a NUL byte`);
  return config;
}
