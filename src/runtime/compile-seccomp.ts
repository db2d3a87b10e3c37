/** The seccomp part of a plan: the filter, and the agent that it may ask. */
import type { HostFacts } from "../linux/host-facts.ts";
import { compileSeccomp } from "../linux/seccomp-compile.ts";
import { at, invalid, quoted, unsupported } from "../specs/oci-runtime/refusal.ts";
import type { Seccomp } from "../specs/oci-runtime/spec.ts";
import { agentStateParts, type ContainerName } from "./compile-hooks.ts";
import type { SeccompOp } from "./plan.ts";

/** sun_path with its NUL. */
const MAX_SOCKET_PATH = 107;

export function seccompSteps(
  container: ContainerName,
  facts: HostFacts,
  status: "created" | "running",
): SeccompOp[] {
  const seccomp = container.spec.linux?.seccomp;
  if (seccomp === undefined) return [];
  if (!facts.seccomp) throw invalid("linux.seccomp", "is given, but seccomp is not available on this kernel");
  checkRules(seccomp);
  const listener = listenerOf(seccomp);
  return [
    {
      kind: "seccomp",
      ...at("linux.seccomp", () => compileSeccomp(seccomp, facts.architecture)),
      listener,
      stateParts: listener === "" ? [] : agentStateParts(container, seccomp.listenerMetadata, status),
    },
  ];
}

function checkRules({ defaultAction, listenerPath, listenerMetadata, syscalls = [] }: Seccomp): void {
  if (listenerMetadata !== undefined && (listenerPath ?? "") === "")
    throw invalid("linux.seccomp.listenerMetadata", "is given, but listenerPath is not");
  if (defaultAction === "SCMP_ACT_NOTIFY")
    throw unsupported(
      "linux.seccomp.defaultAction",
      "with SCMP_ACT_NOTIFY the calls that hand the agent its descriptor would wait for the agent",
    );
  for (const [index, { names, action }] of syscalls.entries()) {
    const path = `linux.seccomp.syscalls[${index}]`;
    if (names.length === 0) throw invalid(`${path}.names`, "is missing or empty");
    if (action === "SCMP_ACT_NOTIFY" && names.includes("write"))
      throw unsupported(
        `${path}.names`,
        "SCMP_ACT_NOTIFY cannot be used for write, by which the agent's descriptor is announced",
      );
  }
}

/** Without a rule that asks it, the agent is not told of anything. */
function listenerOf({ listenerPath = "", syscalls = [] }: Seccomp): string {
  if (!syscalls.some(({ action }) => action === "SCMP_ACT_NOTIFY")) return "";
  if (listenerPath === "")
    throw invalid("linux.seccomp.listenerPath", "is missing: SCMP_ACT_NOTIFY has nobody to ask");
  if (!listenerPath.startsWith("/") || Buffer.byteLength(listenerPath) > MAX_SOCKET_PATH)
    throw invalid(
      "linux.seccomp.listenerPath",
      `${quoted(listenerPath)} is not an absolute path of at most ${MAX_SOCKET_PATH} bytes`,
    );
  return listenerPath;
}
