/** Decoded documents from the few fields that a test cares about. */
import { decodeContainerConfig, decodeHostConfig } from "../../specs/engine/container.decode.ts";
import type { ContainerConfig, HostConfig } from "../../specs/engine/container.ts";
import { Fields } from "../../specs/engine/fields.decode.ts";

export function hostConfig(fields: Readonly<Record<string, unknown>>): HostConfig {
  return decodeHostConfig(new Fields(fields, "HostConfig"));
}

export function containerConfig(fields: Readonly<Record<string, unknown>>): ContainerConfig {
  return decodeContainerConfig(new Fields(fields, ""));
}
