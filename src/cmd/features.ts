/** `features` of daemon.json, `--feature`: what can be switched, and what holds of this engine anyway. */
import { fail } from "../base/errors.ts";
import { NO_CONTAINERD, NO_SWARM, refuse } from "./absent-settings.ts";
import { boolOf, settingBool } from "./setting-values.ts";

/** Absent = not said. */
export interface Features {
  /** Devices by the Container Device Interface. */
  readonly cdi?: boolean;
}

/** Of dockerd's: all off, and the reason. */
const OFF: ReadonlyMap<string, string> = new Map([
  ["buildkit", "there is no builder in the engine"],
  ["containerd-migration", NO_CONTAINERD],
  ["containerd-snapshotter", "images are in the engine's own store"],
  ["embedded-containerd", NO_CONTAINERD],
  ["swarm-nftables", NO_SWARM],
  ["time-namespaces", "containers have the host's clocks"],
]);

/** "cdi", "cdi=false". Throws `invalid_argument`. */
export function featureOf(text: string): Features {
  const [, name = "", value = "true"] = /^([^=]+)(?:=(.*))?$/s.exec(text) ?? [];
  if (name === "") throw fail("invalid_argument", `invalid feature "${text.slice(0, 100)}"`);
  return check(name, boolOf("--feature", value));
}

export function featuresOf(value: unknown): Features {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw fail("invalid_argument", '"features" must be an object');
  return Object.entries(value).reduce<Features>(
    (features, [name, wanted]) => ({ ...features, ...check(name, settingBool(`features.${name}`, wanted)) }),
    {},
  );
}

function check(name: string, wanted: boolean): Features {
  if (name === "cdi") return { cdi: wanted };
  const reason = OFF.get(name);
  if (reason === undefined) throw fail("invalid_argument", `unknown feature "${name.slice(0, 100)}"`);
  return wanted ? refuse(`features.${name}`, reason) : {};
}
