/** `linux.cgroupsPath`: where a container's cgroup shall be, in the notation of the driver that makes it. Pure. */
import { fail } from "../base/errors.ts";
import { checkCgroupPath } from "./cgroup-paths.ts";

/** Who makes the cgroup: ourselves, or systemd as a unit. */
export type CgroupDriver = "cgroupfs" | "systemd";

export interface CgroupPlace {
  /** Absolute, below the root of each hierarchy. */
  readonly path: string;
  /** With systemd alone. */
  readonly scope?: { readonly unit: string; readonly slice: string };
}

/** Below it are containers that do not say where they want to be. */
const DEFAULT_PARENT = "/gantry";
const DEFAULT_SLICE = "system.slice";

/**
 * With cgroupfs: an absolute path, or one relative to /gantry; absent = /gantry/ID. runc takes a relative one from its own
 * cgroup, so that the same document means another place for another caller.
 *
 * With systemd: "slice:prefix:name" is the unit prefix-name.scope in that slice; absent = gantry-ID.scope in system.slice.
 *
 * Throws `invalid_argument` for anything else, also for what would leave the hierarchy.
 */
export function cgroupPlace(text: string | undefined, id: string, driver: CgroupDriver): CgroupPlace {
  if (driver === "systemd") return scopePlace((text ?? "") === "" ? `:gantry:${id}` : (text ?? ""));
  const path = (text ?? "") === "" ? id : (text ?? "");
  if (/^[^/]*:[^/]*:[^/]*$/.test(path))
    throw fail(
      "invalid_argument",
      `cgroupsPath ${quoted(path)} is a unit: only the systemd driver makes those`,
    );
  return { path: checkCgroupPath(path.startsWith("/") ? path : `${DEFAULT_PARENT}/${path}`) };
}

/** Whose notation this is: a container goes on in its cgroup when a later daemon has another driver. */
export function driverOf(text: string | undefined): CgroupDriver {
  return /^[^/:]*:[^/:]*:[^/:]*$/.test(text ?? "") ? "systemd" : "cgroupfs";
}

/** What a container's scope may lie in: nothing that the notation cannot say. Throws `invalid_argument`, in dockerd's words where it has some. */
export function checkParentSlice(parent: string): void {
  if (parent.length <= ".slice".length || !parent.endsWith(".slice"))
    throw fail(
      "invalid_argument",
      'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"',
    );
  if (parent.includes(":")) throw fail("invalid_argument", `${quoted(parent)} is not the name of a slice`);
  slicePath(parent);
}

function scopePlace(text: string): CgroupPlace {
  const [slice = "", prefix = "", name = "", ...more] = text.split(":");
  if (name === "" || more.length > 0)
    throw fail("invalid_argument", `cgroupsPath ${quoted(text)} is not of the form "slice:prefix:name"`);
  if (name.endsWith(".slice"))
    throw fail(
      "invalid_argument",
      `cgroupsPath ${quoted(text)} is a slice, which holds units and no processes`,
    );
  const inSlice = slice === "" ? DEFAULT_SLICE : slice;
  const unit = prefix === "" ? `${name}.scope` : `${prefix}-${name}.scope`;
  // systemd.unit(5): what a unit's name may consist of, and its length with the type.
  if (!/^[\w:.\\@-]{1,255}$/.test(unit) || unit.startsWith("."))
    throw fail("invalid_argument", `${quoted(unit)} cannot be the name of a unit`);
  return { path: checkCgroupPath(`${slicePath(inSlice)}/${unit}`), scope: { unit, slice: inSlice } };
}

/** A dash is a level: "a-b.slice" lies in "a.slice"; "-.slice" is the root. systemd.slice(5) */
export function slicePath(slice: string): string {
  if (slice === "-.slice") return "";
  const levels = slice.slice(0, -".slice".length).split("-");
  const isValid =
    slice.endsWith(".slice") && slice.length <= 255 && levels.every((level) => /^[\w:.\\@]+$/.test(level));
  if (!isValid) throw fail("invalid_argument", `${quoted(slice)} is not the name of a slice`);
  return levels.map((_, i) => `/${levels.slice(0, i + 1).join("-")}.slice`).join("");
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text);
}
