/**
 * What Docker leaves out of a container's document when it says nothing, but knows by its type: `{{if .State.Health}}` is no
 * mistake in a template.
 */
import { child, type Fields, fieldsOf } from "../../client/fields.ts";

const OMITTED: Readonly<Record<"Config" | "HostConfig" | "State", Fields>> = {
  Config: {
    ExposedPorts: null,
    Healthcheck: null,
    MacAddress: "",
    NetworkDisabled: false,
    Shell: null,
    StopSignal: "",
    StopTimeout: null,
  },
  HostConfig: { Annotations: null, Init: null, Mounts: null, StorageOpt: null, Sysctls: null, Tmpfs: null },
  State: { Health: null },
};

/** The document with all that; any other than a container's as it is. */
export function withOmittedFields(document: unknown): unknown {
  const fields = fieldsOf(document);
  if (!("State" in fields && "HostConfig" in fields)) return document;
  const filled: Record<string, unknown> = { SizeRw: null, SizeRootFs: null, ...fields };
  for (const [name, omitted] of Object.entries(OMITTED))
    filled[name] = { ...omitted, ...child(fields, name) };
  return filled;
}
