/**
 * The Container Device Interface: what a vendor says about his devices, and what has to be changed of a container's specification
 * for one. Versions 0.3.0 to 1.0.0. https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
 */
import type { Hook, HookPoint, LinuxDevice } from "../oci-runtime/spec.ts";
import type { IntelRdt } from "../oci-runtime/resources.ts";

export interface CdiSpec {
  /** "vendor.com/class". */
  readonly kind: string;
  readonly devices: readonly { readonly name: string; readonly edits: ContainerEdits }[];
  /** For whichever of its devices a container has. */
  readonly edits: ContainerEdits;
}

export interface ContainerEdits {
  readonly env: readonly string[];
  readonly deviceNodes: readonly CdiDeviceNode[];
  readonly mounts: readonly CdiMount[];
  readonly hooks: readonly { readonly point: HookPoint; readonly hook: Hook }[];
  readonly additionalGids: readonly number[];
  readonly intelRdt: IntelRdt | undefined;
}

/** What it does not say is that of the node `hostPath`. */
export interface CdiDeviceNode extends Partial<Omit<LinuxDevice, "path">> {
  readonly path: string;
  readonly hostPath: string;
  /** Of "rwm". */
  readonly access: string;
}

export interface CdiMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly type: string;
  readonly options: readonly string[];
}
