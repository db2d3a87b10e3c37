/**
 * Seccomp profiles as Docker knows them: blocks of rules, some of which hold only with certain capabilities, on certain
 * architectures or from a kernel version on. `resolveProfile` makes the OCI form of one for a certain container.
 */
import type { Seccomp, SeccompAction, SeccompRule } from "../specs/oci-runtime/spec.ts";
import { capabilityMask } from "./capabilities.ts";
import { DEFAULT_PROFILE, PROJECT_KEEPING_PROFILE } from "./seccomp-default.ts";
import type { HostFacts } from "./host-facts.ts";

export interface SeccompProfile {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly flags?: readonly string[];
  /** Taken as they are. */
  readonly architectures?: readonly string[];
  /** The row of this machine's architecture counts. */
  readonly archMap?: readonly {
    readonly architecture: string;
    readonly subArchitectures: readonly string[];
  }[];
  readonly blocks: readonly ProfileBlock[];
}

export interface ProfileBlock {
  readonly rule: SeccompRule;
  readonly includes?: BlockFilter;
  readonly excludes?: BlockFilter;
}

export interface BlockFilter {
  /** Includes: all of them. Excludes: any of them. */
  readonly caps?: readonly string[];
  /** Go's names: "amd64", "arm64", "riscv64"; any of them. */
  readonly arches?: readonly string[];
  readonly minKernel?: readonly [version: number, patchLevel: number];
}

export interface ProfileContext {
  /** Of the container's bounding set. */
  readonly capabilities: bigint;
  readonly facts: HostFacts;
}

const resolved = new Map<string, Seccomp>();

/**
 * Docker's default profile for a container; the same object for the same arguments, so that it is compiled once. `projects`:
 * whether its programs may give their files to another project, whose quota then counts them.
 */
export function defaultSeccomp(context: ProfileContext, projects: "free" | "kept" = "free"): Seccomp {
  const { architecture, kernelRelease } = context.facts;
  const key = `${architecture} ${kernelRelease} ${context.capabilities} ${projects}`;
  const known = resolved.get(key);
  if (known !== undefined) return known;
  const seccomp = resolveProfile(projects === "kept" ? PROJECT_KEEPING_PROFILE : DEFAULT_PROFILE, context);
  // One entry per combination of capabilities in use: a handful. The limit is against a client that tries them all.
  if (resolved.size >= 256) resolved.clear();
  resolved.set(key, seccomp);
  return seccomp;
}

export function resolveProfile(profile: SeccompProfile, context: ProfileContext): Seccomp {
  const { facts } = context;
  const row = profile.archMap?.find(({ architecture }) => architecture === OCI_NAMES[facts.architecture]);
  const architectures =
    profile.architectures ?? (row === undefined ? undefined : [row.architecture, ...row.subArchitectures]);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures === undefined ? {} : { architectures }),
    ...(profile.flags === undefined ? {} : { flags: profile.flags }),
    syscalls: profile.blocks.filter((block) => holds(block, context)).map(({ rule }) => rule),
  };
}

const OCI_NAMES: Readonly<Record<HostFacts["architecture"], string>> = {
  x86_64: "SCMP_ARCH_X86_64",
  aarch64: "SCMP_ARCH_AARCH64",
  riscv64: "SCMP_ARCH_RISCV64",
};

const GO_NAMES: Readonly<Record<HostFacts["architecture"], string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  riscv64: "riscv64",
};

function holds(
  { includes = {}, excludes = {} }: ProfileBlock,
  { capabilities, facts }: ProfileContext,
): boolean {
  const has = (name: string): boolean => (capabilities & capabilityMask([name])) !== 0n;
  const isHere = (name: string): boolean => name === GO_NAMES[facts.architecture];
  const isOld = ([version, patchLevel]: readonly [number, number]): boolean =>
    !isKernelAtLeast(facts.kernelRelease, version, patchLevel);
  if (includes.arches !== undefined && includes.arches.length > 0 && !includes.arches.some(isHere))
    return false;
  if (!(includes.caps ?? []).every(has)) return false;
  if (includes.minKernel !== undefined && isOld(includes.minKernel)) return false;
  if ((excludes.arches ?? []).some(isHere) || (excludes.caps ?? []).some(has)) return false;
  return excludes.minKernel === undefined || isOld(excludes.minKernel);
}

function isKernelAtLeast(release: string, version: number, patchLevel: number): boolean {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  const [here, hereMinor] = [Number(major), Number(minor)];
  return here > version || (here === version && hereMinor >= patchLevel);
}
