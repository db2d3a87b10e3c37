/** What a command says to the process that it is carried out for, before and while it works. */
import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { type Socket, createServer } from "node:net";
import { join } from "node:path";
import { failureOf } from "../../test/support/failure.ts";
import { until } from "../../test/support/until.ts";
import type { Sink } from "../base/bun-stdio.ts";
import { OwnProcessNeeded } from "../base/own-process.ts";
import type { Caller } from "./caller.ts";
import { dispatch } from "./dispatch.ts";
import { cleanUp, fail, FakeEngine, temporaryDirectory } from "./testing/fake-engine.ts";

afterEach(cleanUp);

const OTHERWISE = new OwnProcessNeeded("for the test");

/** One that lets everything be done for it, unless told otherwise, and tells what it was asked. */
class Watcher implements Caller {
  readonly asked: string[] = [];
  readonly gone: AbortSignal | undefined;
  readonly #enter: Caller["enter"];

  constructor(enter: Caller["enter"] = () => Promise.resolve(), gone?: AbortSignal) {
    this.#enter = enter;
    this.gone = gone;
  }

  async enter(isShareable: () => Promise<boolean>): Promise<void> {
    this.asked.push("enter");
    await this.#enter(isShareable);
  }

  ownProcess(why: string): void {
    this.asked.push(`own process: ${why}`);
    throw OTHERWISE;
  }

  isTerminal(): Promise<boolean> {
    return Promise.resolve(false);
  }

  onSignals(): () => void {
    return () => {};
  }
}

interface Attempt {
  readonly ended: Promise<number>;
  /** What was written so far. */
  readonly written: () => string;
}

function attempt(words: readonly string[], caller: Caller, variables: Record<string, string>): Attempt {
  let written = "";
  const sink: Sink = {
    async write(bytes) {
      written += Buffer.from(bytes).toString();
    },
  };
  const ended = dispatch(
    {
      program: "gantry",
      version: "9.9.9",
      environment: new Map(Object.entries(variables)),
      workingDirectory: "/work",
      homeDirectory: "/nonexistent",
      userId: 1000,
      engineCommand: { file: "/nonexistent/gantry", argv0: "gantryd", words: ["daemon"] },
      nativeShim: () => Promise.resolve("/nonexistent/gantry-shim"),
      caller,
    },
    { out: sink, err: sink },
    words,
  );
  return { ended, written: () => written };
}

/** Whether somebody else could carry the command out; nothing of it is done. */
async function isShareable(line: string, variables: Record<string, string>): Promise<boolean | undefined> {
  let answer: boolean | undefined;
  const caller = new Watcher(async (ask) => {
    answer = await ask();
    throw OTHERWISE;
  });
  const { ended, written } = attempt(line.split(" "), caller, variables);
  expect(await failureOf(ended)).toBe(OTHERWISE);
  expect(written()).toBe("");
  return answer;
}

const silentEngine = (): Promise<FakeEngine> =>
  new FakeEngine().start((_, response) => fail(response, 500, "must not be called"));

describe("a command is shareable", () => {
  test.each([
    "ps",
    "container ls -a",
    "exec c true",
    "exec -d -e A=1 -w / c true",
    "run --rm busybox true",
    "run -d -v x:/x -p 80 -e A busybox",
    "run --pull never busybox",
    "create busybox",
    "start c",
    "stop c",
    "rm -f c",
    "wait c",
    "inspect c",
    "network ls",
    "--config /x ps",
  ])("that is %p", async (line) => {
    const engine = await silentEngine();
    expect(await isShareable(line, engine.variables)).toBe(true);
    expect(engine.calls).toEqual([]);
  });
});

describe("a command is not shareable", () => {
  test.each([
    "exec -it c sh",
    "exec -i c sh",
    "exec -t c sh",
    "exec --env-file f c sh",
    "run -t busybox",
    "run -i busybox",
    "run -a stdin busybox",
    "run --env-file f busybox",
    "run --label-file f busybox",
    "run --cidfile f busybox",
    "run --security-opt seccomp=f busybox",
    "run --pull always busybox",
    "create --cidfile f busybox",
    "create -i busybox",
    "start -a c",
    "start -i c",
    "logs c",
    "cp c:/x .",
    "attach c",
    "pull busybox",
    "--config x ps",
  ])("that is %p", async (line) => {
    const engine = await silentEngine();
    expect(await isShareable(line, engine.variables)).toBe(false);
    expect(engine.calls).toEqual([]);
  });

  test("with a configuration or an engine that lies below the working directory", async () => {
    const engine = await silentEngine();
    expect(await isShareable("ps", { ...engine.variables, DOCKER_CONFIG: "x" })).toBe(false);
    expect(await isShareable("ps", { DOCKER_HOST: "unix://engine.sock" })).toBe(false);
  });

  test("with an engine that is reached over a network", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    expect(await isShareable("ps", { DOCKER_HOST: `tcp://127.0.0.1:${port}` })).toBe(false);
    server.close();
  });

  test("with an engine that does not listen", async () => {
    const path = join(temporaryDirectory(), "engine.sock");
    expect(await isShareable("ps", { DOCKER_HOST: `unix://${path}` })).toBe(false);
    expect(await isShareable("run busybox", { DOCKER_HOST: `unix://${path}` })).toBe(false);
  });
});

describe("enter()", () => {
  test("is called once, before anything is sent or written", async () => {
    const engine = await new FakeEngine().start((_, response) => response.end("[]"));
    const before: unknown[] = [];
    const caller = new Watcher(async () => {
      before.push(...engine.calls, written());
    });
    const { ended, written } = attempt(["ps", "-q"], caller, engine.variables);
    expect(await ended).toBe(0);
    expect(before).toEqual([""]);
    expect(caller.asked).toEqual(["enter"]);
    expect(engine.urls()).toHaveLength(1);
  });

  test("tells what it was asked over a connection that serves the command then", async () => {
    const engine = await new FakeEngine().start((_, response) => response.end("[]"));
    let answer: boolean | undefined;
    const caller = new Watcher(async (ask) => {
      answer = await ask();
    });
    expect(await attempt(["ps"], caller, engine.variables).ended).toBe(0);
    expect(answer).toBe(true);
    expect(engine.urls()).toHaveLength(1);
  });

  test("leaves the command undone and unsaid when it needs another process", async () => {
    const engine = await silentEngine();
    for (const line of ["ps", "logs c", "run busybox", "container rm c", "version"]) {
      const caller = new Watcher(() => Promise.reject(OTHERWISE));
      const { ended, written } = attempt(line.split(" "), caller, engine.variables);
      expect(await failureOf(ended), line).toBe(OTHERWISE);
      expect(written(), line).toBe("");
    }
    expect(engine.calls).toEqual([]);
  });

  test.each([
    ["--help", 0],
    ["", 0],
    ["help", 0],
    ["help ps", 0],
    ["--version", 0],
    ["ps --help", 0],
    ["run --help", 0],
    ["container --help", 0],
    ["ps --foo", 125],
    ["--foo ps", 125],
    ["nosuch", 1],
    ["container nosuch", 1],
    ["ps x", 1],
    ["run", 1],
  ])("is not called by %p", async (line, status) => {
    const engine = await silentEngine();
    const caller = new Watcher();
    const { ended, written } = attempt(line === "" ? [] : line.split(" "), caller, engine.variables);
    expect(await ended).toBe(status);
    expect(written()).not.toBe("");
    expect(caller.asked).toEqual([]);
    expect(engine.calls).toEqual([]);
  });
});

describe("a missing image", () => {
  const words = [
    ["run", "--rm", "hello-world"],
    ["run", "-d", "--quiet", "hello-world"],
    ["create", "hello-world"],
    ["run", "--dns=127.0.0.1", "--oom-kill-disable", "hello-world"],
  ];
  test.each(words)("is left to a process of the caller's own by %s %s", async (...line) => {
    const engine = await new FakeEngine().start((_, response) =>
      fail(response, 404, "No such image: hello-world:latest"),
    );
    const caller = new Watcher();
    const { ended, written } = attempt(line, caller, engine.variables);
    expect(await failureOf(ended)).toBe(OTHERWISE);
    expect(caller.asked).toEqual(["enter", "own process: an image is fetched"]);
    expect(written()).toBe("");
    expect(engine.urls()).toEqual(["POST /containers/create"]);
  });

  test("that must not be fetched is an error", async () => {
    const engine = await new FakeEngine().start((_, response) =>
      fail(response, 404, "No such image: hello-world:latest"),
    );
    const caller = new Watcher();
    const line = ["run", "--pull", "never", "hello-world"];
    const { ended, written } = attempt(line, caller, engine.variables);
    expect(await ended).toBe(125);
    expect(caller.asked).toEqual(["enter"]);
    expect(written()).toContain("No such image");
  });
});

describe("a caller that leaves", () => {
  test("ends what is done for it", async () => {
    const asked = Promise.withResolvers<void>();
    const engine = await new FakeEngine().start(() => asked.resolve());
    const leaving = new AbortController();
    const caller = new Watcher(() => Promise.resolve(), leaving.signal);
    const { ended } = attempt(["wait", "c"], caller, engine.variables);
    await asked.promise;
    leaving.abort();
    expect(await ended).toBe(1);
  });

  test("and stays until the end leaves no connection behind", async () => {
    const path = join(temporaryDirectory(), "engine.sock");
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"));
    }).listen(path);
    await once(server, "listening");
    const caller = new Watcher(() => Promise.resolve(), new AbortController().signal);
    expect(await attempt(["ps"], caller, { DOCKER_HOST: `unix://${path}` }).ended).toBe(0);
    expect(sockets).not.toEqual([]);
    await until("their end", () => sockets.every((socket) => socket.destroyed));
    server.close();
  });
});
