import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeMirrorAccounts, readMirrorAccounts } from "./mirror-accounts.ts";
import { registryOptions } from "./registry-settings.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mirrors-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const auth = Buffer.from("ann:a:b").toString("base64");

test("accounts are those of a config.json, by host", () => {
  const auths = {
    "mirror.example:5000": { auth },
    "https://Other.example/v2/": { identitytoken: "refresh" },
    "empty.example": {},
  };
  expect([...decodeMirrorAccounts(JSON.stringify({ auths }))]).toEqual([
    ["mirror.example:5000", { username: "ann", password: "a:b", identityToken: "", registryToken: "" }],
    ["other.example", { username: "", password: "", identityToken: "refresh", registryToken: "" }],
  ]);
});

test("what a daemon cannot use is refused by name, and no secret is told", () => {
  for (const [text, message] of [
    ['{"auths": {"m": {"auth": "c2VjcmV0"', "it is not JSON"],
    ['{"credsStore": "pass"}', '"credsStore" is not for daemons'],
    ['{"auths": {"m.example/team": {"username": "a"}}}', '"m.example/team" is no host'],
  ] as const)
    expect(() => decodeMirrorAccounts(text)).toThrow(message);
});

test("the file is the owner's alone", () => {
  const path = join(directory, "config.json");
  writeFileSync(path, JSON.stringify({ auths: { "m.example": { auth } } }), { mode: 0o600 });
  const settings = { "registry-mirror-accounts": path };
  expect([...registryOptions(settings, new Map(), "x").mirrorAccounts.keys()]).toEqual(["m.example"]);
  chmodSync(path, 0o640);
  expect(() => readMirrorAccounts(path)).toThrow(
    `cannot use the accounts of "${path}": others than its owner`,
  );
  expect(() => readMirrorAccounts(join(directory, "none"))).toThrow("ENOENT");
});
