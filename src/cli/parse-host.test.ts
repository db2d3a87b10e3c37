import { expect, test } from "bun:test";
import { messageOf } from "../base/errors.ts";
import { sshWords } from "../client/connect-ssh.ts";
import { parseHost } from "./parse-host.ts";

test.each([
  ["unix:///a/b", "unix:///a/b", { kind: "unix", path: "/a/b" }],
  ["unix://", "unix:///run/gantry/gantry.sock", { kind: "unix", path: "/run/gantry/gantry.sock" }],
  ["tcp://h", "tcp://h:2375", { kind: "tcp", host: "h", port: 2375 }],
  ["h:1", "tcp://h:1", { kind: "tcp", host: "h", port: 1 }],
  [" tcp://:99/ ", "tcp://localhost:99", { kind: "tcp", host: "localhost", port: 99 }],
  ["tcp://[::1]:5", "tcp://[::1]:5", { kind: "tcp", host: "::1", port: 5 }],
  ["ssh://h", "ssh://h", { kind: "ssh", user: "", host: "h", port: "", socket: "" }],
  [
    "ssh://me@h:22/run/x.sock",
    "ssh://me@h:22/run/x.sock",
    { kind: "ssh", user: "me", host: "h", port: "22", socket: "/run/x.sock" },
  ],
])("parseHost(%s)", (text, url, endpoint) => {
  const parsed: unknown = parseHost(text);
  expect(parsed).toEqual({ url, endpoint });
});

test.each([
  ["foo://x", "invalid bind address format: foo://x"],
  ["tcp://a:b", 'invalid engine address "tcp://a:b"'],
  ["tcp://a:70000", "invalid engine address"],
  ["ssh://", "ssh host connection is not valid: no host specified"],
  ["ssh://u:p@h", "ssh host connection is not valid: plain-text password is not supported"],
  ["ssh://u@h/x?y", 'ssh host connection is not valid: extra query after the host: "y"'],
  ["ssh://h/#f", 'ssh host connection is not valid: extra fragment after the host: "f"'],
  ["ssh://a%20b@h", "ssh host connection is not valid: it has blanks"],
])("parseHost(%s) is refused", (text, message) => {
  let said = "";
  try {
    parseHost(text);
  } catch (error) {
    said = messageOf(error);
  }
  expect(said).toContain(message);
});

test("nothing of an address is an option of ssh or a word of the other side's shell", () => {
  const target = { user: "-oProxyCommand=x", host: "-h", port: "", socket: "/a b'; reboot" };
  expect(sshWords(target)).toEqual([
    ..."-l -oProxyCommand=x -o ConnectTimeout=30 -T -- -h gantry --host".split(" "),
    String.raw`'unix:///a b'\''; reboot'`,
    "system",
    "dial-stdio",
  ]);
  expect(sshWords({ user: "", host: "h", port: "22", socket: "" }).slice(0, 2)).toEqual(["-p", "22"]);
});
