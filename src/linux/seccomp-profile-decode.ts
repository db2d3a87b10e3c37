/**
 * A seccomp profile as text, in Docker's format (github.com/moby/profiles) or plain OCI: `--security-opt seccomp=FILE`
 * sends the file's content. A profile that cannot be understood is an error, never "no profile".
 */
import { fail, messageOf } from "../base/errors.ts";
import { defined, refuse } from "../specs/oci-runtime/decode-fields.ts";
import { decodeSeccomp, decodeSeccompRule } from "../specs/oci-runtime/decode-seccomp.ts";
import { asInt, asString, Fields } from "../specs/engine/fields.decode.ts";
import { parseExactJson } from "../specs/exact-json.ts";
import type { BlockFilter, ProfileBlock, SeccompProfile } from "./seccomp-profile.ts";

const MAX_PROFILE_BYTES = 1 << 20;

/** Throws `invalid_argument` with Docker's wording, `not_implemented` for a supervisor (listenerPath). */
export function decodeProfile(text: string): SeccompProfile {
  if (Buffer.byteLength(text) > MAX_PROFILE_BYTES)
    throw fail("invalid_argument", `decoding seccomp profile failed: more than ${MAX_PROFILE_BYTES} bytes`);
  let fields: Fields;
  try {
    fields = new Fields(parseExactJson(text), "");
  } catch (cause) {
    throw fail("invalid_argument", `decoding seccomp profile failed: ${messageOf(cause)}`, cause);
  }
  if (fields.has("architectures") && fields.has("archMap"))
    throw fail(
      "invalid_argument",
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  refuse(fields, ["listenerPath", "listenerMetadata"]);
  const { defaultAction, defaultErrnoRet, architectures, flags } = decodeSeccomp(fields);
  return defined({
    defaultAction,
    defaultErrnoRet,
    architectures,
    flags,
    archMap:
      fields.list("archMap", (value, path) => {
        const row = new Fields(value, path);
        return {
          architecture: row.str("architecture"),
          subArchitectures: row.strings("subArchitectures") ?? [],
        };
      }) ?? undefined,
    blocks: fields.list("syscalls", (value, path) => decodeBlock(new Fields(value, path))) ?? [],
  });
}

/** Older profiles have one "name" instead of "names". */
function decodeBlock(fields: Fields): ProfileBlock {
  const rule = decodeSeccompRule(fields);
  const name = fields.str("name");
  if (name !== "" && rule.names.length > 0)
    throw fail("invalid_argument", `both 'name' and 'names' are specified in the seccomp profile: "${name}"`);
  return defined({
    rule: name === "" ? rule : { ...rule, names: [name] },
    includes: decodeFilter(fields, "includes"),
    excludes: decodeFilter(fields, "excludes"),
  });
}

function decodeFilter(fields: Fields, key: string): BlockFilter | undefined {
  const filter = fields.object(key);
  if (filter === null) return undefined;
  return defined({
    caps: filter.list("caps", asString) ?? undefined,
    arches: filter.list("arches", asString) ?? undefined,
    minKernel: filter.has("minKernel")
      ? decodeKernel(filter.raw("minKernel"), filter.at("minKernel"))
      : undefined,
  });
}

/** "4.8", or an object of two numbers. */
function decodeKernel(value: unknown, path: string): readonly [number, number] {
  if (typeof value !== "string") {
    const fields = new Fields(value, path);
    return [asInt(fields.raw("kernel") ?? 0, path), asInt(fields.raw("major") ?? 0, path)];
  }
  const match = /^(\d{1,5})\.(\d{1,5})$/.exec(value);
  if (match === null)
    throw fail("invalid_argument", `invalid kernel version ${JSON.stringify(value.slice(0, 40))}`);
  return [Number(match[1]), Number(match[2])];
}
