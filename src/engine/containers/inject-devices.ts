/** The devices that a container requests, put into its specification: all of them, or the start fails. */
import { fail } from "../../base/errors.ts";
import { markFileBinds } from "../../linux/bind-sources.ts";
import { type CdiDevice, completeNode, readCdiDevices } from "../../linux/cdi-devices.ts";
import type { ContainerEdits } from "../../specs/cdi/spec.ts";
import type { HostConfig } from "../../specs/engine/container.ts";
import type { Spec } from "../../specs/oci-runtime/spec.ts";
import { applyEdits } from "./cdi-edits.ts";
import { requestedDevices } from "./device-requests.ts";

/** `directories`: of CDI specifications; none = CDI is off. Throws `invalid_argument`. */
export function injectDevices(
  spec: Spec,
  { DeviceRequests }: Pick<HostConfig, "DeviceRequests">,
  directories: readonly string[],
): Spec {
  if (DeviceRequests === null || DeviceRequests.length === 0) return spec;
  const { devices, faults } = readCdiDevices(directories);
  const known = directories.length === 0 ? undefined : new Set(devices.keys());
  const names = requestedDevices(DeviceRequests, known);
  const missing = names.filter((name) => !devices.has(name));
  if (missing.length > 0)
    throw fail(
      "invalid_argument",
      `CDI device injection failed: unresolvable CDI devices ${missing.join(", ")}${because(faults)}`,
    );
  const found = names.flatMap((name) => devices.get(name) ?? []);
  return markFileBinds(editsOf(found).reduce(withEdits, spec));
}

/** What could not be read may be what is missing. */
function because(faults: readonly string[]): string {
  return faults.length === 0 ? "" : ` (not usable: ${faults.slice(0, 5).join("; ")})`;
}

/** What a specification says of all its devices comes once, ahead of the first of them. */
function editsOf(devices: readonly CdiDevice[]): readonly ContainerEdits[] {
  const seen = new Set<CdiDevice["spec"]>();
  return devices.flatMap(({ spec, edits }) => {
    const isNew = !seen.has(spec);
    seen.add(spec);
    return isNew ? [spec.edits, edits] : [edits];
  });
}

function withEdits(spec: Spec, edits: ContainerEdits): Spec {
  const deviceNodes = edits.deviceNodes.map((node) => ({ node: completeNode(node), access: node.access }));
  return applyEdits(spec, { ...edits, deviceNodes });
}
