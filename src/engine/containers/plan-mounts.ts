/**
 * All mounts of a new container: what other containers lend it (`--volumes-from`), what its request asks for, and volumes for
 * the paths that its image and its configuration call volumes. Pure.
 */
import { fail } from "../../base/errors.ts";
import type { ContainerConfig, HostConfig } from "../../specs/engine/container.ts";
import type { MountRequest } from "./mount-request.ts";
import { cleanPath, parseMode, volumeRequest } from "./mounts.ts";

/** Another container's mounts, and how they are lent. */
export interface Lender {
  readonly mounts: readonly MountRequest[];
  readonly readOnly: boolean;
}

/** By destination what is asked for wins over what is lent, and the later lender over the earlier one. */
export function planMounts(
  asked: readonly MountRequest[],
  lenders: readonly Lender[],
  config: ContainerConfig,
  host: HostConfig,
): readonly MountRequest[] {
  const planned = new Map<string, MountRequest>();
  for (const { mounts, readOnly } of lenders)
    for (const request of mounts)
      if (request.point !== undefined) planned.set(request.mount.destination, lent(request, readOnly));
  for (const request of asked) planned.set(request.mount.destination, request);
  for (const path of Object.keys(config.Volumes ?? {})) {
    const destination = volumePath(path);
    if (!planned.has(destination))
      planned.set(destination, volumeRequest({ destination, driver: host.VolumeDriver }));
  }
  return [...planned.values()];
}

/** An image's path is data of others: whatever it says, it is one inside the container. */
function volumePath(path: string): string {
  const destination = cleanPath(`/${path}`).replace(/^\/+/, "/");
  if (destination === "/" || destination.includes("\0"))
    throw fail(
      "invalid_argument",
      `invalid volume path ${JSON.stringify(path.slice(0, 300))}: it is not inside the container's root`,
    );
  return destination;
}

/** Volumes of another are mounted as they are: nothing is copied into them any more. */
function lent({ point, mount }: MountRequest, readOnly: boolean): MountRequest {
  if (mount.kind === "image") return { point: point && { ...point, Mode: "" }, mount };
  const isReadOnly = readOnly || (mount.kind === "tmpfs" ? point?.RW === false : mount.readOnly);
  return {
    point: point && { ...point, Mode: "", RW: !isReadOnly },
    mount:
      mount.kind === "tmpfs"
        ? { ...mount, options: isReadOnly ? [...mount.options.filter(isNotAccess), "ro"] : mount.options }
        : mount.kind === "bind"
          ? { ...mount, readOnly: isReadOnly, recursiveReadOnly: isReadOnly }
          : { ...mount, readOnly: isReadOnly, noCopy: true },
  };
}

function isNotAccess(option: string): boolean {
  return option !== "ro" && option !== "rw";
}

/** "CONTAINER[:MODE]". Throws `invalid_argument`. */
export function parseVolumesFrom(text: string): { readonly container: string; readonly readOnly: boolean } {
  if (text === "") throw fail("invalid_argument", "volumes-from specification cannot be an empty string");
  const cut = text.indexOf(":");
  const container = cut < 0 ? text : text.slice(0, cut);
  const modeText = cut < 0 ? "" : text.slice(cut + 1);
  const mode = parseMode(modeText);
  if (mode === undefined || mode.propagation !== undefined || mode.hasCopyMode)
    throw fail("invalid_argument", `invalid mode: ${modeText}`);
  return { container, readOnly: mode.readOnly };
}
