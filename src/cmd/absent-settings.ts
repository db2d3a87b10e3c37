/**
 * Settings of dockerd about things that this engine does not have, each with the reason it is refused for. What says that such
 * a thing is not wanted (`false`) is true already, and accepted.
 */
import { fail } from "../base/errors.ts";
import { emptyMap } from "../specs/engine/fields.decode.ts";
import { boolOf, settingBool } from "./setting-values.ts";

export const NO_CONTAINERD = "containers run under the engine's own shims, there is no containerd";
export const NO_SWARM = "there are no swarms";

/** By key. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ["builder", "there is no builder in the engine"],
  ["containerd", NO_CONTAINERD],
  ["containerd-namespace", NO_CONTAINERD],
  ["containerd-plugin-namespace", NO_CONTAINERD],
  ["containerd-plugins-namespace", NO_CONTAINERD],
  ["nri-opts", NO_CONTAINERD],
  ["cpu-rt-period", "the engine's cgroup has the real-time budget that its parent gives it"],
  ["cpu-rt-runtime", "the engine's cgroup has the real-time budget that its parent gives it"],
  ["init-path", "the init of containers is a part of the engine, there is no program"],
  ["network-control-plane-mtu", NO_SWARM],
  ["network-diagnostic-port", NO_SWARM],
  ["node-generic-resources", NO_SWARM],
  ["swarm-default-advertise-addr", NO_SWARM],
  ["swarm-raft-election-tick", NO_SWARM],
  ["swarm-raft-heartbeat-tick", NO_SWARM],
]);

/** Those that a switch turns on. */
const OFF: ReadonlyMap<string, string> = new Map([
  ["cri-containerd", NO_CONTAINERD],
  ["experimental", "there is nothing experimental in the engine"],
  ["rootless", "the engine runs as root"],
  ["selinux-enabled", "containers get no SELinux labels"],
]);

/** Where the flag has a name of its own. */
const FLAG_NAMES: ReadonlyMap<string, string> = new Map([
  ["node-generic-resources", "node-generic-resource"],
]);

type Refusal = (value: unknown) => object;

/** Readers of keys of daemon.json: each throws, or says nothing. */
export const ABSENT_READERS: Readonly<Record<string, Refusal>> = Object.assign(emptyMap<Refusal>(), {
  ...Object.fromEntries([...REASONS].map(([key, reason]) => [key, () => refuse(key, reason)])),
  ...Object.fromEntries(
    [...OFF].map(([key, reason]) => [key, (value: unknown) => off(key, settingBool(key, value), reason)]),
  ),
  // The log has neither colours nor shortened times, so both are so.
  "raw-logs": (value: unknown) => nothing(settingBool("raw-logs", value)),
});

export const ABSENT_FLAGS: ReadonlyMap<string, (text: string) => object> = new Map([
  ...[...REASONS].map(([key, reason]): [string, (text: string) => object] => {
    const name = `--${FLAG_NAMES.get(key) ?? key}`;
    return [name, () => refuse(name, reason)];
  }),
  ...[...OFF].map(([key, reason]): [string, (text: string) => object] => [
    `--${key}`,
    (text) => off(`--${key}`, boolOf(`--${key}`, text), reason),
  ]),
  ["--raw-logs", (text: string) => nothing(boolOf("--raw-logs", text))] as const,
]);

/** Flags that need no value. */
export const ABSENT_SWITCHES: ReadonlySet<string> = new Set([
  ...[...OFF.keys()].map((key) => `--${key}`),
  "--raw-logs",
]);

function nothing(_value: boolean): object {
  return {};
}

/** Throws `invalid_argument`. */
export function refuse(key: string, reason: string): never {
  throw fail("invalid_argument", `${key} is not supported: ${reason}`);
}

function off(key: string, wanted: boolean, reason: string): object {
  return wanted ? refuse(key, reason) : {};
}
