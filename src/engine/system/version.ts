/** GET /version. */
import type { HostFacts } from "../../linux/host-facts.ts";
import type { SystemVersion } from "../../specs/engine/system.ts";

export interface BuildFacts {
  readonly version: string;
  readonly commit: string;
  /** RFC 3339, "" = unknown. */
  readonly builtAt: string;
  /** The JavaScript runtime's name and version; clients show it where Docker names its Go version. */
  readonly runtime: string;
}

/** Docker's names of processor architectures. */
const GO_ARCHITECTURE: Readonly<Record<HostFacts["architecture"], string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  riscv64: "riscv64",
};

export function goArchitecture(facts: Pick<HostFacts, "architecture">): string {
  return GO_ARCHITECTURE[facts.architecture];
}

export function version(
  build: BuildFacts,
  facts: Pick<HostFacts, "architecture" | "kernelRelease">,
  api: { readonly current: string; readonly minimum: string },
): SystemVersion {
  const arch = goArchitecture(facts);
  return {
    Platform: { Name: "Gantry" },
    Components: [
      {
        Name: "Engine",
        Version: build.version,
        Details: {
          ApiVersion: api.current,
          Arch: arch,
          BuildTime: build.builtAt,
          Experimental: "false",
          GitCommit: build.commit,
          GoVersion: build.runtime,
          KernelVersion: facts.kernelRelease,
          MinAPIVersion: api.minimum,
          Os: "linux",
        },
      },
    ],
    Version: build.version,
    ApiVersion: api.current,
    MinAPIVersion: api.minimum,
    GitCommit: build.commit,
    GoVersion: build.runtime,
    Os: "linux",
    Arch: arch,
    KernelVersion: facts.kernelRelease,
    BuildTime: build.builtAt,
  };
}
