import { expect, test } from "bun:test";
import { nullMounts } from "./masked-files.ts";

test("nullMounts() finds masked files alone, with their names unescaped", () => {
  const mountinfo = String.raw`224 217 0:56 / /proc/acpi ro - tmpfs none ro
225 217 0:6 /null /proc/keys rw - devtmpfs devtmpfs rw
226 217 0:6 /null /a\040b rw - devtmpfs devtmpfs rw
`;
  expect(nullMounts(mountinfo)).toEqual(new Set(["/proc/keys", "/a b"]));
});
