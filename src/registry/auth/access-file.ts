/** Access rules as a file has them. Nothing is passed over: a rule that is misread lets in whom it should not. */
import { fail } from "../../base/errors.ts";
import { asString, wrongType } from "../../specs/engine/fields.decode.ts";
import { type AccessRule, type Action, ACTIONS } from "./access.ts";

const KEYS: ReadonlySet<string> = new Set(["users", "anonymous", "repositories", "actions", "catalog"]);
const MAX_RULES = 1000;

/** Throws `invalid_argument` with the field's path. */
export function decodeAccess(value: unknown): readonly AccessRule[] {
  if (!Array.isArray(value)) throw wrongType("access", "a list", value);
  if (value.length > MAX_RULES) throw wrong(`field "access" has more than ${MAX_RULES} rules`);
  return value.map((entry: unknown, i) => decodeRule(entry, `access[${i}]`));
}

function decodeRule(value: unknown, path: string): AccessRule {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrongType(path, "an object", value);
  const fields = new Map<string, unknown>(Object.entries(value));
  for (const key of fields.keys()) if (!KEYS.has(key)) throw wrong(`field "${path}.${key}" is not known`);
  const list = (key: string): string[] => textsOf(fields.get(key) ?? [], `${path}.${key}`);
  const flag = (key: string): boolean => flagOf(fields.get(key) ?? false, `${path}.${key}`);
  const rule = {
    users: list("users"),
    anonymous: flag("anonymous"),
    repositories: list("repositories").map((text, i) => patternAt(text, `${path}.repositories[${i}]`)),
    actions: list("actions").map((text, i) => actionAt(text, `${path}.actions[${i}]`)),
    catalog: flag("catalog"),
  };
  if (rule.users.length === 0 && !rule.anonymous) throw wrong(`"${path}" names nobody`);
  return rule;
}

function textsOf(value: unknown, path: string): string[] {
  if (!Array.isArray(value)) throw wrongType(path, "a list", value);
  return value.map((entry: unknown, i) => {
    const text = asString(entry, `${path}[${i}]`);
    if (text === "") throw wrong(`field "${path}[${i}]" is empty`);
    return text;
  });
}

function flagOf(value: unknown, path: string): boolean {
  if (typeof value !== "boolean") throw wrongType(path, "true or false", value);
  return value;
}

function patternAt(text: string, path: string): string {
  if (!/^[a-z0-9._/*-]{1,255}$/.test(text))
    throw wrong(`field "${path}" is no pattern of repositories: "${text}"`);
  return text;
}

function actionAt(text: string, path: string): Action {
  for (const action of ACTIONS) if (action === text) return action;
  throw wrong(`field "${path}" is none of ${ACTIONS.join(", ")}: "${text}"`);
}

function wrong(message: string): Error {
  return fail("invalid_argument", message);
}
