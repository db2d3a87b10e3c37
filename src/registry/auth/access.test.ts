import { describe, expect, test } from "bun:test";
import { ALL_MAY_PULL, rightsOf, USERS_MAY_ALL } from "./access.ts";
import { decodeAccess } from "./access-file.ts";

const RULES = decodeAccess([
  { users: ["alice"], repositories: ["team/**"], actions: ["pull", "push", "delete"] },
  { users: ["bob"], repositories: ["team/*", "exact"], actions: ["pull"], catalog: true },
  { users: ["*"], repositories: ["shared/**"], actions: ["pull"] },
  { anonymous: true, repositories: ["public/*"], actions: ["pull"] },
]);

describe("rules", () => {
  test.each([
    ["alice", "push", "team/a", true],
    ["alice", "delete", "team/a/b", true],
    ["alice", "pull", "team", false],
    ["alice", "pull", "xteam/a", false],
    ["alice", "pull", "public/x", true],
    ["bob", "pull", "team/a", true],
    ["bob", "pull", "team/a/b", false],
    ["bob", "push", "team/a", false],
    ["bob", "pull", "exact", true],
    ["bob", "pull", "exactly", false],
    ["carol", "pull", "shared/a/b", true],
    ["*", "pull", "team/a", false],
    [undefined, "pull", "public/x", true],
    [undefined, "pull", "public/x/y", false],
    [undefined, "pull", "shared/a", false],
    [undefined, "push", "public/x", false],
  ] as const)("%p may %s %s: %p", (user, action, repository, expected) => {
    expect(rightsOf(RULES, user).may(action, repository)).toBe(expected);
  });

  test("the catalog is a right of its own", () => {
    expect(rightsOf(RULES, "bob").mayList).toBe(true);
    expect(rightsOf(RULES, "alice").mayList).toBe(false);
    expect(rightsOf([ALL_MAY_PULL], undefined).mayList).toBe(false);
    expect(rightsOf([USERS_MAY_ALL], "x").mayList).toBe(true);
    expect(rightsOf([USERS_MAY_ALL], undefined).mayList).toBe(false);
  });

  test("characters of regular expressions are only characters", () => {
    const [rule] = decodeAccess([{ users: ["a"], repositories: ["a.b"], actions: ["pull"] }]);
    if (rule === undefined) throw new Error("no rule");
    expect(rightsOf([rule], "a").may("pull", "a.b")).toBe(true);
    expect(rightsOf([rule], "a").may("pull", "axb")).toBe(false);
  });

  /** A regular expression would be at it for years. */
  test("no pattern and no name make it slow", () => {
    const stars = { ...ALL_MAY_PULL, repositories: [`${"**a".repeat(40)}**b`] };
    expect(rightsOf([stars], undefined).may("pull", "a".repeat(255))).toBe(false);
    expect(rightsOf([stars], undefined).may("pull", `${"a".repeat(254)}b`)).toBe(true);
  });
});

describe("files that are misread nowhere", () => {
  test.each([
    [{}, 'field "access" must be a list'],
    [[7], 'field "access[0]" must be an object'],
    [[{ users: ["a"], repos: [] }], 'field "access[0].repos" is not known'],
    [[{ repositories: ["**"], actions: ["pull"] }], '"access[0]" names nobody'],
    [[{ users: "a" }], 'field "access[0].users" must be a list'],
    [[{ users: [""] }], 'field "access[0].users[0]" is empty'],
    [[{ users: ["a"], anonymous: "yes" }], 'field "access[0].anonymous" must be true or false'],
    [
      [{ users: ["a"], actions: ["pull", "admin"] }],
      'field "access[0].actions[1]" is none of pull, push, delete',
    ],
    [[{ users: ["a"], repositories: ["A"] }], 'field "access[0].repositories[0]" is no pattern'],
  ])("%j", (value, message) => {
    expect(() => decodeAccess(value)).toThrow(message);
  });
});
