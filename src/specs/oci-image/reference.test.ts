import { expect, test } from "bun:test";
import { familiarReference, fullReference, parseReference, withDefaultTag } from "./reference.ts";

const H = "a".repeat(64);

/** Familiar text → full text and what Docker prints, as Docker 26.1 answers. */
const VALID: readonly (readonly [string, string, string])[] = [
  ["busybox", "docker.io/library/busybox:latest", "busybox:latest"],
  ["busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"],
  ["docker.io/a", "docker.io/library/a:latest", "a:latest"],
  ["index.docker.io/a", "docker.io/library/a:latest", "a:latest"],
  ["docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"],
  ["user/app", "docker.io/user/app:latest", "user/app:latest"],
  ["localhost/foo", "localhost/foo:latest", "localhost/foo:latest"],
  ["localhost:5000/foo", "localhost:5000/foo:latest", "localhost:5000/foo:latest"],
  ["Foo/bar", "Foo/bar:latest", "Foo/bar:latest"],
  ["Foo.com/bar", "Foo.com/bar:latest", "Foo.com/bar:latest"],
  ["[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"],
  ["a__b", "docker.io/library/a__b:latest", "a__b:latest"],
  ["a--b", "docker.io/library/a--b:latest", "a--b:latest"],
  ["a:_x", "docker.io/library/a:_x", "a:_x"],
  ["sha256:abc", "docker.io/library/sha256:abc", "sha256:abc"],
  [`a@sha256:${H}`, `docker.io/library/a@sha256:${H}`, `a@sha256:${H}`],
  [`a:t@sha256:${H}`, `docker.io/library/a:t@sha256:${H}`, `a:t@sha256:${H}`],
  ["x".repeat(247), `docker.io/library/${"x".repeat(247)}:latest`, `${"x".repeat(247)}:latest`],
];

const BAD = "invalid reference format";
/** Text → what Docker 26.1 says. */
const INVALID: readonly (readonly [string, string])[] = [
  ["", BAD],
  ["Foo", `${BAD}: repository name (library/Foo) must be lowercase`],
  ["foo.com/Bar", `${BAD}: repository name (Bar) must be lowercase`],
  ["a b", BAD],
  ["a:b:c", BAD],
  ["foo/", BAD],
  ["a//b", BAD],
  ["a___b", BAD],
  ["-a", BAD],
  ["a-", BAD],
  ["a:", BAD],
  ["a:.x", BAD],
  ["ä", BAD],
  [`a:${"t".repeat(129)}`, BAD],
  ["a\n", BAD],
  ["../x", BAD],
  [H, `invalid repository name (${H}), cannot specify 64-byte hexadecimal strings`],
  ["a".repeat(256), "repository name must not be more than 255 characters"],
  ["a/".repeat(100_000), BAD],
  ["a@sha256:1", BAD],
  [`a@sha256:${H.slice(1)}`, "invalid checksum digest length"],
  [`a@sha512:${H}`, "invalid checksum digest length"],
  [`a@sha256:${H.slice(1)}A`, "invalid checksum digest format"],
  [`a@md5:${H}`, "unsupported digest algorithm"],
];

for (const [text, full, familiar] of VALID)
  test(`"${text.slice(0, 40)}" is read as Docker reads it`, () => {
    const reference = withDefaultTag(parseReference(text));
    expect(fullReference(reference)).toBe(full);
    expect(familiarReference(reference)).toBe(familiar);
    expect(parseReference(full)).toEqual(reference);
  });

for (const [text, message] of INVALID)
  test(`"${text.slice(0, 40)}" is refused in Docker's words`, () => {
    expect(() => parseReference(text)).toThrow(message);
  });
