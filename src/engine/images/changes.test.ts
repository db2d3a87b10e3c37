/** Each result and each refusal is what Docker 26 was seen to make of the same line. */
import { describe, expect, test } from "bun:test";
import type { ContainerConfig } from "../../specs/engine/container.ts";
import { applyChanges } from "./changes.ts";

const OWN: Partial<ContainerConfig> = {
  Env: ["BASE=1", "EMPTY="],
  Cmd: ["cmd"],
  Entrypoint: ["ep"],
  WorkingDir: "/wd",
  Labels: { base: "1" },
  Volumes: { "/vol0": {} },
};

const shell = (text: string): readonly string[] => ["/bin/sh", "-c", text];
const health = (Test: readonly string[], more: object = {}): object => ({
  Healthcheck: { Test, Interval: 0, Timeout: 0, StartPeriod: 0, StartInterval: 0, Retries: 0, ...more },
});

describe("applyChanges()", () => {
  test.each([
    ["CMD a b", { Cmd: shell("a b") }],
    ['cmd ["a","b c"]', { Cmd: ["a", "b c"] }],
    ['CMD [ "a" ] x', { Cmd: ["a"] }],
    ['CMD ["a"', { Cmd: shell('["a"') }],
    ["CMD", { Cmd: ["/bin/sh", "-c"] }],
    ["CMD []", { Cmd: [] }],
    ["CMD $BASE", { Cmd: shell("$BASE") }],
    ["CMD a \\\n# c\n\n b", { Cmd: shell("a  b") }],
    ["CMD a \\", { Cmd: shell("a") }],
    ["ENTRYPOINT run it", { Entrypoint: shell("run it"), Cmd: null }],
    ["ENTRYPOINT []", { Entrypoint: null, Cmd: null }],
    ['CMD ["x"]\nENTRYPOINT ["y"]', { Entrypoint: ["y"], Cmd: ["x"] }],
    [
      "ENV A=1 B=\"two words\" C='x y' D=x\\ y",
      { Env: ["BASE=1", "EMPTY=", "A=1", "B=two words", "C=x y", "D=x y"] },
    ],
    ["ENV A 3 4", { Env: ["BASE=1", "EMPTY=", "A=3 4"] }],
    ["ENV BASE=2 A=$BASE", { Env: ["BASE=2", "EMPTY=", "A=1"] }],
    [
      "ENV A=${NOPE:-d} B=${BASE:+y} C=${NOPE} D=$EMPTY",
      { Env: ["BASE=1", "EMPTY=", "A=d", "B=y", "C=", "D="] },
    ],
    ["ENV A=${NOPE:-${BASE}x} B=${EMPTY-z} C=b\\", { Env: ["BASE=1", "EMPTY=", "A=1x", "B=", "C=b"] }],
    ["ENV A=1\r\nENV B=$A", { Env: ["BASE=1", "EMPTY=", "A=1", "B=1"] }],
    ["# escape=`\nENV A=x` y `\n B=2", { Env: ["BASE=1", "EMPTY=", "A=x y", "B=2"] }],
    ['LABEL a=b "c d"="e f" $BASE=x', { Labels: { base: "1", a: "b", "c d": "e f", 1: "x" } }],
    [
      "LABEL a=$BASE b=\"$BASE\" c='$BASE' d=\\$BASE",
      { Labels: { base: "1", a: "1", b: "1", c: "$BASE", d: "$BASE" } },
    ],
    ['LABEL a= b=""', { Labels: { base: "1", a: "", b: "" } }],
    ["LABEL a b c", { Labels: { base: "1", a: "b c" } }],
    [
      "EXPOSE 80 53/UDP 1000-1001 5/SCTP",
      {
        ExposedPorts: { "80/tcp": {}, "53/udp": {}, "1000/tcp": {}, "1001/tcp": {}, "5/sctp": {} },
      },
    ],
    [
      "EXPOSE 80:90 127.0.0.1:1:2 $BASE 0",
      { ExposedPorts: { "90/tcp": {}, "2/tcp": {}, "1/tcp": {}, "0/tcp": {} } },
    ],
    ["VOLUME /a /$BASE", { Volumes: { "/vol0": {}, "/a": {}, "/1": {} } }],
    ['VOLUME ["/a b"]', { Volumes: { "/vol0": {}, "/a b": {} } }],
    ["USER a $BASE", { User: "a 1" }],
    ["WORKDIR sub", { WorkingDir: "/wd/sub" }],
    ["WORKDIR /a/../b/", { WorkingDir: "/b" }],
    ["STOPSIGNAL SIGINT", { StopSignal: "SIGINT" }],
    ["STOPSIGNAL rtmin+3", { StopSignal: "rtmin+3" }],
    ["STOPSIGNAL 100", { StopSignal: "100" }],
    ["ONBUILD run x", { OnBuild: ["run x"] }],
    ["HEALTHCHECK CMD true", health(["CMD-SHELL", "true"])],
    ['HEALTHCHECK cmd ["a","b"]', health(["CMD", "a", "b"])],
    ["HEALTHCHECK --interval=x NONE", health(["NONE"])],
    [
      "HEALTHCHECK --interval=5s --timeout=2s --start-period=1m --start-interval=3s --retries=4 CMD x",
      health(["CMD-SHELL", "x"], {
        Interval: 5e9,
        Timeout: 2e9,
        StartPeriod: 60e9,
        StartInterval: 3e9,
        Retries: 4,
      }),
    ],
  ])("%j", (text, expected) => {
    expect(applyChanges(OWN, [text])).toEqual({ ...OWN, ...expected });
  });

  test.each([
    ["CMD [1]", "when using JSON array syntax, arrays must be comprised of strings only"],
    ["CMD --x=1 a", "unknown flag: x"],
    ["ENV", "ENV requires at least one argument"],
    ["ENV A", "ENV must have two arguments"],
    ["ENV A=1 B", `Syntax error - can't find = in "B". Must be of the form: name=value`],
    ["ENV =x", "ENV names can not be blank"],
    [
      'ENV A="x',
      String.raw`failed to process "\"x": unexpected end of statement while looking for matching double-quote`,
    ],
    [
      "ENV A='x",
      `failed to process "'x": unexpected end of statement while looking for matching single-quote`,
    ],
    ["ENV A=${BASE", 'failed to process "${BASE": unsupported modifier (\uFFFD) in substitution'],
    ["ENV A=${NOPE:?why}", 'failed to process "${NOPE:?why}": NOPE: why'],
    ["ENV A=<<E\nE", "E is not a valid change command"],
    ["LABEL a", "LABEL must have two arguments"],
    ["EXPOSE", "EXPOSE requires at least one argument"],
    ["EXPOSE x", "Invalid containerPort: x"],
    ["EXPOSE 70000", "Invalid containerPort: 70000"],
    ["EXPOSE 5-3", "Invalid containerPort: 5-3"],
    ["EXPOSE 80/foo", "Invalid proto: foo"],
    ["VOLUME", "VOLUME requires at least one argument"],
    ['VOLUME [""]', "VOLUME specified can not be an empty string"],
    ["USER", "USER requires exactly one argument"],
    ["WORKDIR", "WORKDIR requires exactly one argument"],
    ["STOPSIGNAL NOPE", "invalid signal: NOPE"],
    ["STOPSIGNAL 0", "invalid signal: 0"],
    ["STOPSIGNAL a b", "invalid signal: a b"],
    ["ONBUILD", "ONBUILD requires at least one argument"],
    ["ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"],
    ["ONBUILD onbuild RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
    ["HEALTHCHECK", "HEALTHCHECK requires at least one argument"],
    ["HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"],
    ["HEALTHCHECK FOO x", 'Unknown type "FOO" in HEALTHCHECK (try CMD)'],
    ["HEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD"],
    ["HEALTHCHECK --interval CMD x", "missing a value on flag: interval"],
    ["HEALTHCHECK --interval=5s --interval=6s CMD x", "duplicate flag specified: interval"],
    ["HEALTHCHECK --interval=1us CMD x", 'Interval "interval" cannot be less than 1ms'],
    ["HEALTHCHECK --interval=5 CMD x", 'time: missing unit in duration "5"'],
    ["HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)"],
    ["HEALTHCHECK --retries=1.5 CMD x", 'strconv.ParseInt: parsing "1.5": invalid syntax'],
    [
      "HEALTHCHECK --retries=99999999999999999999 CMD x",
      'strconv.ParseInt: parsing "99999999999999999999": value out of range',
    ],
    ["maintainer x", "maintainer is not a valid change command"],
    ['SHELL ["x"]', "SHELL is not a valid change command"],
    ["ENV A=1\nRUN x", "RUN is not a valid change command"],
    ["ENVA=1", "ENVA=1 is not a valid change command"],
    ["# comment", "file with no instructions"],
    ["", "file with no instructions"],
  ])("refuses %j", (text, message) => {
    expect(() => applyChanges(OWN, [text])).toThrow(message);
  });

  test("sees what changes before have made, and nothing is changed without any", () => {
    const changes = ["", "WORKDIR x", "WORKDIR y", "ENV A=1", "ENV B=$A", "LABEL __proto__=y"];
    const { WorkingDir, Env, Labels } = applyChanges<Partial<ContainerConfig>>({}, changes);
    expect([WorkingDir, Env]).toEqual(["/x/y", ["A=1", "B=1"]]);
    expect(Object.entries(Labels ?? {})).toEqual([["__proto__", "y"]]);
    expect(applyChanges(OWN, [])).toBe(OWN);
  });

  test("a word of many substitutions in one another is refused before the stack is full", () => {
    expect(() => applyChanges({}, [`ENV A=${"${x:-".repeat(20_000)}`])).toThrow("too many substitutions");
  });
});
