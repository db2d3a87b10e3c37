import { expect, test } from "bun:test";
import { decodeRegistryAuth } from "./auth.decode.ts";
import { decodePlatform } from "./platform.decode.ts";

const header = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

test("X-Registry-Auth is read with all of its kinds of credentials", () => {
  expect(decodeRegistryAuth(header({ username: "ann", password: "a:b" }))).toMatchObject({
    username: "ann",
    password: "a:b",
    identityToken: "",
  });
  expect(decodeRegistryAuth(header({ auth: Buffer.from("ann:a:b").toString("base64") }))).toMatchObject({
    username: "ann",
    password: "a:b",
  });
  expect(decodeRegistryAuth(header({ identitytoken: "i" }))?.identityToken).toBe("i");
  expect(decodeRegistryAuth(header({ registrytoken: "r" }))?.registryToken).toBe("r");
});

test("an X-Registry-Auth that says nothing, or cannot be read, is none", () => {
  for (const text of ["", "%%%", header({}), header([]), header({ username: 7 }), "x".repeat(100_000)])
    expect(decodeRegistryAuth(text)).toBeUndefined();
});

test("a platform is JSON with both its parts", () => {
  expect(decodePlatform('{"os":"linux","architecture":"arm64","variant":"v8"}')).toEqual({
    os: "linux",
    architecture: "arm64",
    variant: "",
  });
  for (const text of ["linux/arm64", "{}", '{"os":"linux"}', '{"os":7,"architecture":"x"}'])
    expect(() => decodePlatform(text)).toThrow(`invalid platform: "${text}"`);
});
