/**
 * Platforms as the tools write them ("linux/arm64", "linux/arm/v7") and compare them. A machine runs more than its own
 * kind: which others, and what it likes best, is the order of `runnableOn`.
 */
import { fail } from "../../base/errors.ts";
import type { Platform } from "./manifest.ts";

const MACHINE_NAMES: ReadonlyMap<string, string> = new Map([
  ["x86_64", "amd64"],
  ["x86-64", "amd64"],
  ["aarch64", "arm64"],
  ["i386", "386"],
]);

/** "os[/architecture[/variant]]" or an architecture alone; what is not said is the host's. Throws `invalid_argument`. */
export function parsePlatform(text: string, hostArchitecture: string): Platform {
  const parts = text.toLowerCase().split("/");
  if (text === "") return normalPlatform({ os: "linux", architecture: hostArchitecture, variant: "" });
  if (parts.length > 3 || !parts.every((part) => /^[a-z0-9_.-]+$/.test(part)))
    throw fail("invalid_argument", `"${text.slice(0, 100)}": invalid platform`);
  const [first = "", second, variant = ""] = parts;
  const isOsAlone = second === undefined && (first === "linux" || first === "windows");
  const os = second === undefined && !isOsAlone ? "linux" : first;
  const architecture = isOsAlone ? hostArchitecture : (second ?? first);
  return normalPlatform({ os, architecture, variant });
}

/** One spelling for each platform: "x86_64" is amd64, amd64/v1 is plain, arm64/v8 is plain, arm is arm/v7. */
export function normalPlatform({ os, architecture, variant }: Platform): Platform {
  const machine = architecture.toLowerCase();
  const name = MACHINE_NAMES.get(machine) ?? machine;
  const number = /^\d/.test(variant) ? `v${variant}` : variant.toLowerCase();
  const of = (arch: string, kind: string): Platform => ({
    os: os.toLowerCase(),
    architecture: arch,
    variant: kind,
  });
  if (name === "armhf") return of("arm", "v7");
  if (name === "armel") return of("arm", "v6");
  if (name === "arm") return of("arm", number === "" ? "v7" : number);
  if (name === "arm64") return of("arm64", number === "v8" ? "" : number);
  if (name === "amd64") return of("amd64", number === "v1" ? "" : number);
  return of(name, number);
}

/** "linux/arm/v6"; the one spelling, so that it can be a key. */
export function platformText(platform: Platform): string {
  const { os, architecture, variant } = normalPlatform(platform);
  return `${os}/${architecture}${variant === "" ? "" : `/${variant}`}`;
}

/** What runs where `platform` is wanted, best first: itself, then older variants, then the 32-bit kin. */
function runnableOn(platform: Platform): readonly string[] {
  const { os, architecture, variant } = normalPlatform(platform);
  const number = Number(/^v(\d+)$/.exec(variant)?.[1] ?? "0");
  const texts = [platformText(platform)];
  const arm = (from: number): void => {
    for (let n = from; n >= 5; n--) texts.push(`${os}/arm/v${n}`);
  };
  if (architecture === "amd64") {
    for (let n = number - 1; n > 1; n--) texts.push(`${os}/amd64/v${n}`);
    if (variant !== "") texts.push(`${os}/amd64`);
    texts.push(`${os}/386`);
  } else if (architecture === "arm") arm(number - 1);
  else if (architecture === "arm64") {
    if (variant !== "") texts.push(`${os}/arm64`);
    arm(8);
  }
  return texts;
}

export function runsOn(image: Platform, wanted: Platform): boolean {
  return runnableOn(wanted).includes(platformText(image));
}

/** Of several the one that `wanted` likes best; undefined when it can run none. */
export function bestFor<T>(
  candidates: readonly T[],
  platformOf: (candidate: T) => Platform,
  wanted: Platform,
): T | undefined {
  for (const text of runnableOn(wanted)) {
    const found = candidates.find((candidate) => platformText(platformOf(candidate)) === text);
    if (found !== undefined) return found;
  }
  return undefined;
}
