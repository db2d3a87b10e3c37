import { afterEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp, fail, FakeEngine, gantry, temporaryDirectory } from "../testing/fake-engine.ts";
import { SCRIPTS } from "./scripts.ts";

afterEach(cleanUp);

const ANSWERS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  [
    "/containers/json?all=1",
    [
      { Names: ["/web"], Image: "app", Status: "Up" },
      { Names: ["/old"], Image: "app", Status: "Exited" },
    ],
  ],
  [
    "/containers/json",
    [
      { Id: "c1", Names: ["/web"], Image: "app", Status: "Up \u001b[2J" },
      { Id: "c2", Names: ["/$(reboot)"] },
    ],
  ],
  ["/containers/c1/execs", [{ ID: "c0ffee0123456789", ProcessConfig: { entrypoint: "sh" } }]],
  [
    "/images/json",
    [{ RepoTags: ["app:1", "app:2"] }, { RepoTags: ["localhost:5000/x:y"] }, { RepoTags: null }],
  ],
  ["/networks", [{ Name: "front", Driver: "bridge" }]],
  ["/volumes", { Volumes: [{ Name: "data", Driver: "local" }] }],
]);

const engine = (): Promise<FakeEngine> =>
  new FakeEngine().start((call, response) => {
    const answer = ANSWERS.get(call.url);
    if (answer === undefined) fail(response, 404, "no");
    else response.end(JSON.stringify(answer));
  });

/** What the last word of a line may become; the line ends where the cursor is. */
async function completed(line: string, variables: Record<string, string> = {}): Promise<string> {
  const { status, out, err } = await gantry(["__completeNoDesc", ...line.split(" ")], variables);
  expect({ status, err }).toEqual({ status: 0, err: "" });
  return out.trimEnd().split("\n").join(" ");
}

describe("completion without an engine", () => {
  const lines: readonly (readonly [string, string])[] = [
    ["re", "recreate rename restart :4"],
    ["container re", "recreate rename restart :4"],
    ["container ls --no", "--no-trunc :4"],
    ["--log-level d", "debug :4"],
    ["--log-level=d", "--log-level=debug :4"],
    ["--debug -l warn ps --la", "--last --latest :4"],
    ["run --pull=n", "--pull=never :4"],
    ["run --restart un", "unless-stopped :4"],
    ["run -dit --env-file ", ":0"],
    ["run -v ./", ":0"],
    ["run busybox --pul", ":4"],
    ["rm -- --fo", ":4"],
    ["rm -f --link --vol", "--volumes :4"],
    ["ps --filter sta", "status= :6"],
    ["kill -s TE", "TERM :4"],
    ["completion ", "bash fish zsh :4"],
    ["help com", "commit completion :4"],
    ["help container ren", "rename :4"],
    ["nosuch ", ":4"],
    ["container nosuch ", ":4"],
    ["ps ", ":4"],
    ["ps --nosuch=", ":4"],
    ["load -i ", ":0"],
    ["rm w", ":4"],
  ];
  for (const [line, expected] of lines)
    test(`"${line}"`, async () => {
      expect(await completed(line, { DOCKER_HOST: "unix:///nonexistent/socket" })).toBe(expected);
    });

  test("every command and every flag is offered with what it is for", async () => {
    const { out } = await gantry(["__complete", ""]);
    for (const line of ["run\tCreate and run a new container from an image", "network\tManage networks"])
      expect(out.split("\n")).toContain(line);
    const flags = await gantry(["__complete", "ps", "--"]);
    expect(flags.out.split("\n")).toContain("--quiet\tOnly display container IDs");
    expect(flags.out).not.toContain("\u001b");
  });

  test("an engine is not started for it", async () => {
    expect(await completed("rm ")).toBe(":4");
  });
});

describe("completion of names", () => {
  const lines: readonly (readonly [string, string])[] = [
    ["rm ", "web old :4"],
    ["exec ", "web :4"],
    ["exec web ", ":4"],
    ["run ", "app:1 app:2 localhost:5000/x:y :4"],
    ["run --network ", "front :4"],
    ["run --network=f", "--network=front :4"],
    ["run -v d", "data :4"],
    ["network connect front o", "old :4"],
    ["inspect ", "web old app:1 app:2 localhost:5000/x:y front data :4"],
    ["execs kill c", "c0ffee012345 :4"],
  ];
  for (const [line, expected] of lines)
    test(`"${line}"`, async () => {
      expect(await completed(line, (await engine()).variables)).toBe(expected);
    });

  test("come from the engine that the line names", async () => {
    const { socket } = await engine();
    expect(await completed(`-H unix://${socket} rm w`, { DOCKER_HOST: "unix:///nonexistent" })).toBe(
      "web :4",
    );
  });

  test("that would mean something to a shell are not offered, and descriptions are plain", async () => {
    const { out } = await gantry(["__complete", "stop", ""], (await engine()).variables);
    expect(out).toBe("web\tapp, Up \ufffd[2J\n:4\n");
  });

  test("of an engine that does not answer are given up", async () => {
    const silent = await new FakeEngine().start(() => {});
    const began = performance.now();
    expect(await completed("rm ", silent.variables)).toBe(":4");
    expect(performance.now() - began).toBeLessThan(5000);
  });
});

describe("the bash script", () => {
  /** What bash would offer, and what it asked; `offers` is what the program answers. */
  function pressTab(
    line: string,
    words: readonly string[],
    offers: string,
  ): { reply: string; asked: string } {
    const directory = temporaryDirectory();
    const script = join(directory, "script");
    writeFileSync(script, SCRIPTS.get("bash")?.("gantry") ?? "");
    writeFileSync(
      join(directory, "gantry"),
      `#!/bin/sh\nprintf '<%s>' "$@" > ${directory}/asked\nprintf %b '${offers}'\n`,
    );
    chmodSync(join(directory, "gantry"), 0o755);
    const program = `. ${script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE=$LINE; COMP_POINT=\${#LINE}
      _gantry_complete; printf '%s,' "\${COMPREPLY[@]}"`;
    const ran = spawnSync("bash", ["--norc", "-c", program, "bash", ...words], {
      encoding: "utf8",
      timeout: 10_000,
      env: { PATH: `${directory}:${process.env["PATH"] ?? ""}`, LINE: line },
    });
    expect(ran.stderr).toBe("");
    return { reply: ran.stdout, asked: readFileSync(join(directory, "asked"), "utf8") };
  }

  test("asks with the words up to the cursor and offers the answer", () => {
    expect(pressTab("gantry rm  -f w", ["gantry", "rm", "-f", "w"], String.raw`web\nwww\n:4\n`)).toEqual({
      reply: "web,www,",
      asked: "<__completeNoDesc><rm><-f><w>",
    });
    expect(pressTab("gantry rm ", ["gantry", "rm", ""], String.raw`web\n:4\n`)).toEqual({
      reply: "web,",
      asked: "<__completeNoDesc><rm><>",
    });
  });

  test("puts together what bash has split at : and =, and offers what comes behind", () => {
    expect(
      pressTab("gantry run app:1", ["gantry", "run", "app", ":", "1"], String.raw`app:1\napp:12\n:4\n`),
    ).toEqual({ reply: "1,12,", asked: "<__completeNoDesc><run><app:1>" });
    expect(
      pressTab("gantry run --pull=n", ["gantry", "run", "--pull", "=", "n"], String.raw`--pull=never\n:4\n`),
    ).toEqual({ reply: "never,", asked: "<__completeNoDesc><run><--pull=n>" });
    expect(
      pressTab("gantry run --pull=", ["gantry", "run", "--pull", "="], String.raw`--pull=never\n:4\n`),
    ).toEqual({ reply: "never,", asked: "<__completeNoDesc><run><--pull=>" });
  });

  test("offers nothing when there is nothing", () => {
    expect(pressTab("gantry ps x", ["gantry", "ps", "x"], String.raw`:4\n`).reply).toBe(",");
  });
});

test("completion names the shells that there are", async () => {
  for (const shell of ["bash", "zsh", "fish"])
    expect((await gantry(["completion", shell])).out).toContain("__complete");
  expect(await gantry(["completion", "tcsh"])).toEqual({
    status: 1,
    out: "",
    err: 'no completion for "tcsh": there is bash, zsh, fish\n',
  });
});
