import { describe, expect, test } from "bun:test";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { rightsOf, USERS_MAY_ALL } from "./access.ts";
import { grantsFor, parseScopes, rightsOfGrants } from "./scope.ts";
import { issueToken, type TokenKey, verifyToken } from "./token.ts";

function newKey(service = "here"): TokenKey {
  return { privateKey: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, service };
}

const KEY = newKey();
const NOW = 1_800_000_000_000;
const CLAIMS = { user: "alice", grants: [{ type: "repository", name: "a/b", actions: ["pull"] }] };

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

describe("a token", () => {
  const { token, expiresInSeconds } = issueToken(KEY, CLAIMS, NOW);

  test("says what it was given for, for as long as it says", () => {
    expect(verifyToken(KEY, token, NOW)).toEqual(CLAIMS);
    expect(verifyToken(KEY, token, NOW + expiresInSeconds * 1000 - 1)).toEqual(CLAIMS);
    expect(verifyToken(KEY, token, NOW + expiresInSeconds * 1000)).toBeUndefined();
    expect(verifyToken(KEY, token, NOW - 60_000)).toBeUndefined();
    const anonymous = issueToken(KEY, { user: undefined, grants: [] }, NOW).token;
    expect(verifyToken(KEY, anonymous, NOW)).toEqual({ user: undefined, grants: [] });
  });

  test("of another key or service is none", () => {
    expect(verifyToken(newKey(), token, NOW)).toBeUndefined();
    expect(verifyToken({ ...KEY, service: "there" }, token, NOW)).toBeUndefined();
  });

  test("is none when any character of it is another", () => {
    for (let i = 0; i < token.length; i += 7) {
      const other = token[i] === "A" ? "B" : "A";
      // The last character of a signature has bits that mean nothing.
      if (token[i] !== "." && i < token.length - 1)
        expect(verifyToken(KEY, token.slice(0, i) + other + token.slice(i + 1), NOW)).toBeUndefined();
    }
  });

  test("cannot choose its algorithm", () => {
    const body = token.split(".")[1] ?? "";
    const none = `${encoded({ alg: "none", typ: "JWT" })}.${body}.`;
    const spki = KEY.privateKey.export({ type: "pkcs8", format: "pem" });
    const head = encoded({ alg: "HS256", typ: "JWT" });
    const mac = createHmac("sha256", spki).update(`${head}.${body}`).digest("base64url");
    for (const text of [
      none,
      `${none}x`,
      `${head}.${body}.${mac}`,
      "",
      ".",
      "..",
      token.slice(0, -1),
      `${token}x`,
    ])
      expect(verifyToken(KEY, text, NOW)).toBeUndefined();
    expect(verifyToken(KEY, "a".repeat(100_000), NOW)).toBeUndefined();
  });

  test("in another encoding of its signature is none", () => {
    const signed = token.split(".").slice(0, 2).join(".");
    const der = sign("sha256", Buffer.from(signed), KEY.privateKey);
    expect(verifyToken(KEY, `${signed}.${der.toString("base64url")}`, NOW)).toBeUndefined();
  });
});

describe("scopes", () => {
  test("are read as Docker writes them, and left out where they are none", () => {
    expect(parseScopes(["repository:a/b:pull,push registry:catalog:*", "repository(plugin):x:pull"])).toEqual(
      [
        { type: "repository", name: "a/b", actions: ["pull", "push"] },
        { type: "registry", name: "catalog", actions: ["*"] },
        { type: "repository(plugin)", name: "x", actions: ["pull"] },
      ],
    );
    expect(
      parseScopes([
        "",
        "x",
        "a:b",
        "repository::pull",
        "REPOSITORY:a:pull",
        `repository:${"a".repeat(400)}:pull`,
      ]),
    ).toEqual([]);
    expect(parseScopes(["repository:a:pull ".repeat(500)])).toHaveLength(64);
  });

  test("are granted as far as the rights go", () => {
    const rights = rightsOf(
      [{ ...USERS_MAY_ALL, repositories: ["a/*"], actions: ["pull", "push"], catalog: false }],
      "u",
    );
    const wishes = parseScopes([
      "repository:a/b:pull,push,delete,admin repository:a/c:* repository:b:pull registry:catalog:* repository:A:pull",
    ]);
    expect(grantsFor(wishes, rights)).toEqual([
      { type: "repository", name: "a/b", actions: ["pull", "push"] },
      { type: "repository", name: "a/c", actions: ["pull", "push"] },
    ]);
  });

  test("give the rights they name and no others", () => {
    const rights = rightsOfGrants("u", parseScopes(["repository:a:pull repository(plugin):b:pull"]));
    expect(rights.may("pull", "a")).toBe(true);
    expect(rights.may("push", "a")).toBe(false);
    expect(rights.may("pull", "b")).toBe(false);
    expect(rights.mayList).toBe(false);
  });
});
