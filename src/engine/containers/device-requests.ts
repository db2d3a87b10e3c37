/** Which CDI devices a container is to have, by its device requests: `--device vendor.com/class=name` and `--gpus`. Pure. */
import { fail } from "../../base/errors.ts";
import type { DeviceRequest } from "../../specs/engine/container.ts";

const NVIDIA_KIND = "nvidia.com/gpu";
/** What a request for NVIDIA's GPUs may name besides "gpu". */
const NVIDIA_CAPABILITIES = new Set("gpu nvidia compute compat32 graphics utility video display".split(" "));

/** `known`: the devices of this host, undefined where CDI is off. Throws `invalid_argument` with Docker's words. */
export function requestedDevices(
  requests: readonly DeviceRequest[],
  known: ReadonlySet<string> | undefined,
): readonly string[] {
  return [...new Set(requests.flatMap((request) => namesOf(request, known)))];
}

function namesOf(request: DeviceRequest, known: ReadonlySet<string> | undefined): readonly string[] {
  if (request.Driver === "cdi" && known !== undefined) return cdiNames(request);
  if (isForNvidia(request) && hasNvidia(known)) return gpuNames(request);
  const capabilities = (request.Capabilities ?? []).map((all) => `[${all.join(" ")}]`).join(" ");
  throw fail(
    "invalid_argument",
    `could not select device driver ${JSON.stringify(request.Driver)} with capabilities: [${capabilities}]`,
  );
}

function cdiNames({ Count, Options, DeviceIDs }: DeviceRequest): readonly string[] {
  if (Count !== 0) throw fail("invalid_argument", "unexpected count in CDI device request");
  if (Object.keys(Options ?? {}).length > 0)
    throw fail("invalid_argument", "unexpected options in CDI device request");
  return DeviceIDs ?? [];
}

function isForNvidia({ Driver, Capabilities }: DeviceRequest): boolean {
  if (Driver !== "" && Driver !== "nvidia") return false;
  return (Capabilities ?? []).some(
    (all) => all.includes("gpu") && all.every((capability) => NVIDIA_CAPABILITIES.has(capability)),
  );
}

function hasNvidia(known: ReadonlySet<string> | undefined): boolean {
  return [...(known ?? [])].some((name) => name.startsWith(`${NVIDIA_KIND}=`));
}

function gpuNames({ Count, Options, DeviceIDs }: DeviceRequest): readonly string[] {
  const ids = DeviceIDs ?? [];
  if (Count !== 0 && ids.length > 0)
    throw fail("invalid_argument", "cannot set both Count and DeviceIDs on device request");
  if (Object.keys(Options ?? {}).length > 0)
    throw fail("invalid_argument", "unexpected options in CDI device request");
  const chosen =
    ids.length > 0 ? ids : Count < 0 ? ["all"] : Array.from({ length: Count }, (_, n) => String(n));
  return chosen.map((id) => (id.includes("=") ? id : `${NVIDIA_KIND}=${id}`));
}
