/** What lies where in the packages. Pure: sources are names in the checkout, or text that was made for it. */
import { basename } from "node:path";

export type Content =
  /** A file of the checkout; `build/` has what was built. */
  | { readonly kind: "file"; readonly from: string; readonly executable: boolean }
  | { readonly kind: "text"; readonly text: string | Uint8Array }
  | { readonly kind: "link"; readonly target: string }
  /** One that is there although nothing of ours lies in it. */
  | { readonly kind: "directory" };

/** By path, without the leading slash. */
export type Layout = ReadonlyMap<string, Content>;

export interface Made {
  /** What `gantry completion SHELL` prints. */
  readonly completion: Readonly<Record<Shell, string>>;
  /** The pages below docs/, from the root of the checkout. */
  readonly pages: readonly string[];
  /** In Debian's format, compressed. */
  readonly changelog: Uint8Array;
}

export type Shell = "bash" | "zsh" | "fish";

/** The program looks for its parts beside its own file, wherever the link lies by which it was called. */
const HOME = "usr/lib/gantry";
const PROGRAMS = ["gantry", "gantryd", "gantry-shim", "gantry-runc"];
/** Loaded, or sent into a container: nobody here executes it. */
const PARTS = ["gantry.node", "hello"];
const COMMANDS: ReadonlyMap<string, string> = new Map([
  ["gantry", "gantry"],
  ["gantryd", "gantryd"],
  ["gantry-runc", "gantry-runc"],
]);
const UNITS = ["gantry.service", "gantry.socket"];

export function engineLayout({ completion, pages, changelog }: Made): Layout {
  return new Map([
    ...PROGRAMS.map((name) => [`${HOME}/${name}`, file(`build/${name}`, true)] as const),
    ...PARTS.map((name) => [`${HOME}/${name}`, file(`build/${name}`)] as const),
    ...[...COMMANDS].map(([name, target]) => [`usr/bin/${name}`, link(`../lib/gantry/${target}`)] as const),
    ...UNITS.map((name) => [`usr/lib/systemd/system/${name}`, file(`packaging/systemd/${name}`)] as const),
    ["etc/gantry", { kind: "directory" }],
    ["usr/share/bash-completion/completions/gantry", text(completion.bash)],
    ["usr/share/zsh/vendor-completions/_gantry", text(completion.zsh)],
    ["usr/share/fish/vendor_completions.d/gantry.fish", text(completion.fish)],
    ...["README.md", "CHANGELOG.md", "SECURITY.md", "packaging/README.md", ...pages].map(
      (name) => [`usr/share/doc/gantry/${name}`, file(name)] as const,
    ),
    ...legal("gantry", changelog),
  ]);
}

export function compatLayout({ changelog }: Pick<Made, "changelog">): Layout {
  const rules = "packaging/deb/gantry-docker-compat/gantry-docker-compat.conf";
  return new Map([
    ["usr/bin/docker", link("gantry")],
    [`usr/lib/tmpfiles.d/${basename(rules)}`, file(rules)],
    ...legal("gantry-docker-compat", changelog),
  ]);
}

function legal(name: string, changelog: Uint8Array): readonly (readonly [string, Content])[] {
  return [
    [`usr/share/doc/${name}/copyright`, file("packaging/deb/copyright")],
    [`usr/share/doc/${name}/changelog.gz`, text(changelog)],
  ];
}

function file(from: string, executable = false): Content {
  return { kind: "file", from, executable };
}

function text(content: string | Uint8Array): Content {
  return { kind: "text", text: content };
}

function link(target: string): Content {
  return { kind: "link", target };
}
