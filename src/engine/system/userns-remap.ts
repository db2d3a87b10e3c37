/**
 * The daemon's option `userns-remap`, with Docker's meaning: "user", "user:group" or numbers of the host name whose
 * subordinate ids containers get; "default" is dockremap, who is made when he is not there yet.
 */
import { fail } from "../../base/errors.ts";
import type { Account, FindAccount } from "../../linux/accounts.ts";
import { freeRange, type IdRange, mappingOf, rangesOf } from "../../linux/subordinate-ids.ts";
import type { IdMaps } from "../containers/user-namespace.ts";

export interface RemapDeps {
  readonly findAccount: FindAccount;
  /** The text of /etc/subuid or /etc/subgid; "" when there is none. */
  readonly readRanges: (kind: IdKind) => string;
  /** Makes a user with a group of his name, and gives him what he has not. */
  readonly makeUser: (name: string, ranges: Readonly<Partial<Record<IdKind, IdRange>>>) => Promise<void>;
}

export type IdKind = "uid" | "gid";

const DEFAULT_USER = "dockremap";
/** Docker's, and that of the host's own tools (login.defs(5), SUB_UID_MIN and SUB_UID_COUNT). */
const LOWEST = 100_000;
const COUNT = 65_536;

/** Undefined: containers have the host's users, as root's own ids are nothing to remap to. Throws `invalid_argument`. */
export async function resolveRemap(deps: RemapDeps, option: string): Promise<IdMaps | undefined> {
  if (option === "") return undefined;
  const [name = "", group, ...more] = option.split(":");
  if (name === "" || group === "" || more.length > 0)
    throw fail(
      "invalid_argument",
      `Invalid user/group specification in --userns-remap: ${JSON.stringify(option)}`,
    );
  const user = name === "default" ? await defaultUser(deps) : await existing(deps, "passwd", name);
  // Docker wants the group to be there, and takes the user's own ranges all the same.
  await existing(deps, "group", group ?? (name === "default" ? user.name : name));
  if (user.name === "root" || user.id === 0) return undefined;
  return { uidMappings: mapping(deps, "uid", user), gidMappings: mapping(deps, "gid", user) };
}

function mapping(deps: RemapDeps, kind: IdKind, user: Account): IdMaps["uidMappings"] {
  const ranges = rangesOf(deps.readRanges(kind), user);
  if (ranges.length === 0)
    throw fail("invalid_argument", `no sub${kind} ranges found for user "${user.name}" in /etc/sub${kind}`);
  return mappingOf(ranges);
}

async function existing(deps: RemapDeps, kind: "passwd" | "group", key: string): Promise<Account> {
  const found = await deps.findAccount(kind, key);
  if (found === undefined)
    throw fail("invalid_argument", `--userns-remap: "${key}" has no entry in /etc/${kind}`);
  return found;
}

/** Who is there already is left as he is. */
async function defaultUser(deps: RemapDeps): Promise<Account> {
  const found = await deps.findAccount("passwd", DEFAULT_USER);
  if (found !== undefined) return found;
  const wanted = (kind: IdKind): Partial<Record<IdKind, IdRange>> => {
    const text = deps.readRanges(kind);
    // No user has NaN's number: his name alone counts, for he has no number yet.
    const has = rangesOf(text, { name: DEFAULT_USER, id: Number.NaN }).length > 0;
    return has ? {} : { [kind]: freeRange(text, LOWEST, COUNT) };
  };
  await deps.makeUser(DEFAULT_USER, { ...wanted("uid"), ...wanted("gid") });
  return existing(deps, "passwd", DEFAULT_USER);
}
