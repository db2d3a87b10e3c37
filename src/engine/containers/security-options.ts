/** `--security-opt`: parsed and checked, worded as Docker's. */
import { fail } from "../../base/errors.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import { decodeProfile } from "../../linux/seccomp-profile-decode.ts";
import type { SeccompProfile } from "../../linux/seccomp-profile.ts";

export interface SecurityOptions {
  /** "default": Docker's, but none for a privileged container. */
  readonly seccomp: { readonly kind: "default" | "builtin" | "unconfined" } | CustomSeccomp;
  readonly noNewPrivileges: boolean;
  /** `systempaths=unconfined`: neither masked nor read-only paths. */
  readonly systemPathsUnconfined: boolean;
  /** /sys/fs/cgroup can be written to. */
  readonly writableCgroups: boolean;
  /** The AppArmor profile by name; undefined = not asked for. */
  readonly apparmor: string | undefined;
}

interface CustomSeccomp {
  readonly kind: "profile";
  readonly profile: SeccompProfile;
}

/**
 * Throws `invalid_argument` for an unknown option or value: nothing that is misspelt runs unconfined. What the host has
 * no use for (AppArmor profiles, SELinux labels) is accepted without effect, as by Docker; SELinux labels are
 * `not_implemented` where it has. Whether a profile is loaded the kernel says at the start.
 */
export function parseSecurityOptions(
  options: readonly string[],
  facts: Pick<HostFacts, "selinux">,
): SecurityOptions {
  let seccomp: SecurityOptions["seccomp"] = { kind: "default" };
  let noNewPrivileges = false;
  let systemPathsUnconfined = false;
  let writableCgroups = false;
  let apparmor: string | undefined;
  for (const option of options) {
    const [key, value] = splitOption(option);
    if (key === "no-new-privileges")
      noNewPrivileges = value === undefined ? true : parseBoolean(value, option);
    else if (key === "writable-cgroups")
      writableCgroups = value === undefined ? true : parseBoolean(value, option);
    else if (value === undefined) throw invalid(1, option);
    else if (key === "seccomp") seccomp = parseSeccomp(value, option);
    else if (key === "systempaths" && value === "unconfined") systemPathsUnconfined = true;
    else if (key === "apparmor") apparmor = parseProfileName(value, option);
    else if (key === "label") checkLabel(value, option, facts);
    else throw invalid(2, option);
  }
  return { seccomp, noNewPrivileges, systemPathsUnconfined, writableCgroups, apparmor };
}

/** "key=value", the old "key:value", or a word that stands alone. */
function splitOption(option: string): [key: string, value: string | undefined] {
  const at = option.includes("=") ? option.indexOf("=") : option.indexOf(":");
  return at < 0 ? [option, undefined] : [option.slice(0, at), option.slice(at + 1)];
}

/** As Go's strconv.ParseBool. */
function parseBoolean(text: string, option: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw invalid(2, option);
}

function parseSeccomp(value: string, option: string): SecurityOptions["seccomp"] {
  if (value === "unconfined" || value === "builtin") return { kind: value };
  if (value === "") throw invalid(1, option);
  return { kind: "profile", profile: decodeProfile(value) };
}

/** No blanks at its ends and no control characters: it becomes part of a command to the kernel. */
function parseProfileName(value: string, option: string): string {
  if (value === "" || value.length > 500 || value.trim() !== value || /\p{Cc}/u.test(value))
    throw invalid(2, option);
  return value;
}

function checkLabel(value: string, option: string, { selinux }: Pick<HostFacts, "selinux">): void {
  if (value === "disable") return;
  if (!/^(user|role|type|level|filetype|nested)([:=].+)?$/.test(value)) throw invalid(2, option);
  if (selinux) throw fail("not_implemented", `security option "${option}": SELinux labels are not supported`);
}

/** Docker numbers the two places where it says so. */
function invalid(place: 1 | 2, option: string): Error {
  return fail("invalid_argument", `invalid --security-opt ${place}: ${JSON.stringify(option.slice(0, 200))}`);
}
