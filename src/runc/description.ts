/** A container as `state` and `list` show it, field for field as runc does. */
import type { Container } from "./container.ts";
import { userName } from "./user-name.ts";
import { conditionOf } from "./status.ts";

export interface Description {
  readonly ociVersion: string;
  readonly id: string;
  readonly pid: number;
  readonly status: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner: string;
}

export function describe(container: Container): Description {
  const { record, id } = container;
  const { status, pid } = conditionOf(container);
  return {
    ociVersion: record.ociVersion,
    id,
    pid,
    status,
    bundle: record.bundle,
    rootfs: record.rootfs,
    created: record.created,
    ...(Object.keys(record.annotations).length === 0 ? {} : { annotations: record.annotations }),
    owner: userName(record.owner),
  };
}
