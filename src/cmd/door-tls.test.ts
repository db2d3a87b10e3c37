import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../base/errors.ts";
import { makeAuthority } from "../core/distribution/testing/certificates.ts";
import { readDoorTls } from "./door-tls.ts";

const authority = makeAuthority();
const directory = mkdtempSync(join(tmpdir(), "gantry-door-tls-"));
afterAll(() => {
  authority[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const ours = authority.issue("IP:127.0.0.1");
const cert = file("cert.pem", ours.cert);
const key = file("key.pem", ours.key);
const ca = file("ca.pem", authority.cert);

test("all files are read", async () => {
  expect(await readDoorTls({ cert, key, clientAuthorities: ca })).toEqual({
    ...ours,
    clientAuthorities: authority.cert,
  });
  expect((await readDoorTls({ cert, key, clientAuthorities: undefined })).clientAuthorities).toBeUndefined();
});

test("a mistake is told before anything listens, by the file's name", async () => {
  const other = file("other.pem", authority.issue("IP:127.0.0.1").key);
  const noise = file("noise.pem", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n");
  const refused = async (files: Partial<Parameters<typeof readDoorTls>[0]>): Promise<string> =>
    readDoorTls({ cert, key, clientAuthorities: ca, ...files }).then(String, messageOf);
  expect(await refused({ cert: "/nonexistent" })).toContain(
    'invalid TLS configuration: cannot read "/nonexistent"',
  );
  expect(await refused({ cert: noise })).toContain(`"${noise}" is not what it should be`);
  expect(await refused({ key: ca })).toContain(`"${ca}" is not what it should be`);
  expect(await refused({ key: other })).toContain(
    `the key "${other}" does not belong to the certificate "${cert}"`,
  );
  expect(await refused({ clientAuthorities: noise })).toContain(`"${noise}" is not what it should be`);
});
