/** What dpkg is told about the packages: names, versions, needs. Pure. */

export interface Facts {
  /** package.json's. */
  readonly version: string;
  /** As node calls it. */
  readonly architecture: string;
  /** The newest symbols of the C library that the programs want, "2.34". */
  readonly libc: string;
}

export interface Package {
  readonly name: string;
  readonly architecture: string;
  /** Fields besides those that every package has, in Debian's order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** First line: what it is; paragraphs follow. */
  readonly description: readonly string[];
}

const MAINTAINER = "The Gantry developers <maintainers@gantry.invalid>";
const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ["x64", "amd64"],
  ["arm64", "arm64"],
  ["riscv64", "riscv64"],
]);
/** They have the name `docker` or listen on its socket. */
const DOCKERS = [
  "docker-ce",
  "docker-ce-cli",
  "docker-cli",
  "docker.io",
  "moby-cli",
  "moby-engine",
  "podman-docker",
];

export function enginePackage({ architecture, libc }: Facts): Package {
  return {
    name: "gantry",
    architecture: debianArchitecture(architecture),
    fields: [
      ["Pre-Depends", "init-system-helpers (>= 1.54~)"],
      // groupadd for the socket's group, useradd for userns-remap; ps for `top`.
      ["Depends", `libc6 (>= ${libc}), passwd, procps`],
      // The profile of containers; registries by HTTPS.
      ["Recommends", "apparmor, ca-certificates"],
      ["Suggests", "bash-completion, bzip2, criu, gantry-docker-compat, openssh-client, xz-utils"],
    ],
    description: [
      "container platform that takes Docker's place",
      "Command line, Engine API, daemon, OCI runtime and one small shim for each container. Clients of Docker (docker, Compose, Testcontainers, SDKs) talk to its socket unchanged, and containers go on while the daemon restarts or is replaced.",
    ],
  };
}

export function compatPackage({ version }: Facts): Package {
  return {
    name: "gantry-docker-compat",
    architecture: "all",
    fields: [
      ["Depends", `gantry (>= ${debianVersion(version)})`],
      ["Conflicts", DOCKERS.join(", ")],
    ],
    description: [
      "the names of Docker for Gantry",
      "The command docker is gantry, and /run/docker.sock leads to Gantry's socket.",
    ],
  };
}

/** A pre-release is older than its release. */
export function debianVersion(version: string): string {
  if (!/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.]+)?$/.test(version)) throw new Error(`no version: "${version}"`);
  return version.replace("-", "~");
}

export function debianArchitecture(architecture: string): string {
  const name = ARCHITECTURES.get(architecture);
  if (name === undefined) throw new Error(`no package for ${architecture} yet`);
  return name;
}

/** The file DEBIAN/control. */
export function controlFile(
  { name, architecture, fields, description }: Package,
  version: string,
  kilobytes: number,
): string {
  const [what = "", ...paragraphs] = description;
  const lines = [
    `Package: ${name}`,
    `Version: ${debianVersion(version)}`,
    "Section: admin",
    "Priority: optional",
    `Architecture: ${architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kilobytes}`,
    ...fields.map(([field, value]) => `${field}: ${value}`),
    `Description: ${what}`,
    ...paragraphs.flatMap((paragraph, index) => [...(index === 0 ? [] : [" ."]), ...folded(paragraph)]),
  ];
  return `${lines.join("\n")}\n`;
}

/** Debian's changelog: one entry, which names the one for people. */
export function changelogFile(name: string, version: string, seconds: number): string {
  const date = new Date(seconds * 1000).toUTCString().replace("GMT", "+0000");
  return `${name} (${debianVersion(version)}) unstable; urgency=medium\n\n  * See /usr/share/doc/gantry/CHANGELOG.md.\n\n -- ${MAINTAINER}  ${date}\n`;
}

/** The newest version of the C library that `objdump -p` finds wanted; undefined: none. */
export function wantedLibc(dumps: readonly string[]): string | undefined {
  const minors = dumps.flatMap((dump) =>
    [...dump.matchAll(/\bGLIBC_2\.(\d+)/g)].map(([, minor = ""]) => Number(minor)),
  );
  return minors.length === 0 ? undefined : `2.${Math.max(...minors)}`;
}

const WIDTH = 78;

function folded(paragraph: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of paragraph.split(" ")) {
    if (`${line} ${word}`.length > WIDTH) {
      lines.push(line);
      line = "";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
