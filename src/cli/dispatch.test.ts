/** Whole command lines against an engine that a node:http server plays. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type http from "node:http";
import type { Duplex } from "node:stream";
import { join } from "node:path";
import { cleanUp, fail, FakeEngine, gantry, temporaryDirectory } from "./testing/fake-engine.ts";

afterEach(cleanUp);

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

/** A container that writes to both streams and exits with a status, once it is started. */
async function runningEngine(exit: { status: number; error?: string }): Promise<FakeEngine> {
  const engine = new FakeEngine();
  let attached: Duplex | undefined;
  let waiting: http.ServerResponse | undefined;
  engine.onUpgrade = (socket) => {
    attached = socket;
  };
  return engine.start((call, response) => {
    if (call.url.startsWith("/containers/create")) response.end('{"Id":"c0ffee","Warnings":["careful"]}');
    else if (call.url.includes("/wait")) {
      response.flushHeaders();
      waiting = response;
    } else if (call.url.endsWith("/start")) {
      if (exit.error !== undefined) {
        fail(response, 500, exit.error);
        attached?.end();
        waiting?.end('{"StatusCode":127}');
        return;
      }
      response.writeHead(204);
      response.end();
      attached?.write(Buffer.concat([frame(1, "hello\n"), frame(2, "oops\n")]));
      attached?.end();
      waiting?.end(`{"StatusCode":${exit.status}}\n`);
    } else fail(response, 404, "page not found");
  });
}

describe("run", () => {
  test("attaches and waits before it starts, passes output and exit status on", async () => {
    const engine = await runningEngine({ status: 7 });
    const outcome = await gantry(["-H", `unix://${engine.socket}`, "run", "--rm", "busybox", "false"]);
    expect(outcome).toEqual({ status: 7, out: "hello\n", err: "WARNING: careful\noops\n" });
    expect(engine.urls()[0]).toBe("POST /containers/create");
    expect(engine.urls().slice(1, 3).sort()).toEqual([
      "POST /containers/c0ffee/attach?stream=1&stdout=1&stderr=1",
      "POST /containers/c0ffee/wait?condition=removed",
    ]);
    expect(engine.urls()[3]).toBe("POST /containers/c0ffee/start");
  });

  const failures: [string, number][] = [
    ['exec: "nosuch": executable file not found in $PATH: unknown', 127],
    ['exec: "/etc": permission denied: unknown', 126],
    ['exec: "/etc": is a directory: unknown', 126],
    ["network nosuch not found", 125],
  ];
  for (const [error, status] of failures)
    test(`exits with ${status} when the engine says ${error}`, async () => {
      const engine = await runningEngine({ status: 0, error });
      const outcome = await gantry(["-H", `unix://${engine.socket}`, "run", "busybox", "x"]);
      expect(outcome.status).toBe(status);
      expect(outcome.err).toBe(
        `WARNING: careful\ngantry: Error response from daemon: ${error}\n\nRun 'gantry run --help' for more information\n`,
      );
    });

  test("with -d prints the ID and does not attach", async () => {
    const engine = await runningEngine({ status: 0 });
    const outcome = await gantry(["-H", `unix://${engine.socket}`, "run", "-d", "--name", "web", "busybox"]);
    expect(outcome).toMatchObject({ status: 0, out: "c0ffee\n" });
    expect(engine.urls()).toEqual(["POST /containers/create?name=web", "POST /containers/c0ffee/start"]);
  });

  test("fetches a missing image and tries again", async () => {
    let created = 0;
    const engine = await new FakeEngine().start((call, response) => {
      if (call.url.startsWith("/containers/create")) {
        if (created++ === 0) fail(response, 404, "No such image: hello-world:latest");
        else response.end('{"Id":"c0ffee"}');
      } else if (call.url.startsWith("/images/create"))
        response.end(
          '{"status":"Pulling from library/hello-world","id":"latest"}\r\n{"status":"Status: done"}\r\n',
        );
      else {
        response.writeHead(204);
        response.end();
      }
    });
    const outcome = await gantry(["-H", `unix://${engine.socket}`, "run", "-d", "hello-world"]);
    expect(outcome).toEqual({
      status: 0,
      out: "c0ffee\n",
      err: "Unable to find image 'hello-world:latest' locally\nlatest: Pulling from library/hello-world\nStatus: done\n",
    });
    expect(engine.urls()[1]).toBe("POST /images/create?fromImage=hello-world&tag=latest");
  });

  test("an error inside the progress of a pull is the error of the command", async () => {
    const engine = await new FakeEngine().start((call, response) => {
      if (call.url.startsWith("/containers/create")) fail(response, 404, "No such image: x:1");
      else response.end('{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}\r\n');
    });
    const outcome = await gantry(["-H", `unix://${engine.socket}`, "run", "x:1"]);
    expect(outcome.status).toBe(125);
    expect(outcome.err).toContain("gantry: manifest unknown");
  });

  test("--pull never does not fetch", async () => {
    const engine = await new FakeEngine().start((_, response) =>
      fail(response, 404, "No such image: x:latest"),
    );
    const outcome = await gantry(["-H", `unix://${engine.socket}`, "run", "--pull", "never", "x"]);
    expect(outcome.status).toBe(125);
    expect(engine.calls).toHaveLength(1);
  });

  test("writes the ID file, leaves none behind after a failure and refuses one that exists", async () => {
    const engine = await runningEngine({ status: 0 });
    const host = `unix://${engine.socket}`;
    const file = join(engine.directory, "cid");
    await gantry(["-H", host, "run", "-d", "--cidfile", file, "busybox"]);
    expect(readFileSync(file, "utf8")).toBe("c0ffee");
    const again = await gantry(["-H", host, "run", "-d", "--cidfile", file, "busybox"]);
    expect(again.status).toBe(125);
    expect(again.err).toContain(
      `container ID file found, make sure the other container isn't running or delete ${file}`,
    );
    const broken = await new FakeEngine().start((_, response) => fail(response, 409, "in use"));
    const other = join(broken.directory, "cid");
    await gantry(["-H", `unix://${broken.socket}`, "run", "-d", "--cidfile", other, "busybox"]);
    expect(() => readFileSync(other)).toThrow(/ENOENT/);
  });

  test("sends Docker's body for a command line with many flags", async () => {
    const engine = await runningEngine({ status: 0 });
    const line =
      "run -d --rm -m 100m --cpus 1.5 -p 8080:80 -v ./x:/f -v /d -e A=1 -e PATH -e NOPE -l k=v --network none --restart no --ulimit nofile=1:2 --tmpfs /t:size=1m --init --entrypoint /e --health-cmd x --stop-timeout 5 --security-opt systempaths=unconfined busybox -c y";
    await gantry(["-H", `unix://${engine.socket}`, ...line.split(" ")], { PATH: "/bin" });
    const body: unknown = JSON.parse(engine.calls[0]?.body ?? "");
    expect(body).toMatchObject({
      AttachStdin: false,
      AttachStdout: false,
      OpenStdin: false,
      Env: ["A=1", "PATH=/bin", "NOPE"],
      Cmd: ["-c", "y"],
      Entrypoint: ["/e"],
      ExposedPorts: { "80/tcp": {} },
      Volumes: { "/d": {} },
      Labels: { k: "v" },
      StopTimeout: 5,
      Healthcheck: { Test: ["CMD-SHELL", "x"] },
      HostConfig: {
        Memory: 104857600,
        NanoCpus: 1500000000,
        Binds: ["/work/x:/f"],
        PortBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] },
        NetworkMode: "none",
        AutoRemove: true,
        RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
        Ulimits: [{ Name: "nofile", Hard: 2, Soft: 1 }],
        Tmpfs: { "/t": "size=1m" },
        Init: true,
        MaskedPaths: [],
        ReadonlyPaths: [],
        MemorySwappiness: -1,
      },
      NetworkingConfig: { EndpointsConfig: {} },
    });
  });

  const refused: [string, number, string][] = [
    [
      "run",
      1,
      `"gantry run" requires at least 1 argument.\nSee 'gantry run --help'.\n\nUsage:  gantry run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nCreate and run a new container from an image\n`,
    ],
    ["run --foo x", 125, "unknown flag: --foo\nSee 'gantry run --help'.\n"],
    [
      "run -m x busybox",
      125,
      `invalid argument "x" for "-m, --memory" flag: invalid size: 'x'\nSee 'gantry run --help'.\n`,
    ],
    [
      "run -p x busybox",
      125,
      "gantry: Invalid containerPort: x\n\nRun 'gantry run --help' for more information\n",
    ],
    [
      "run UPPER",
      125,
      "gantry: invalid reference format: repository name (library/UPPER) must be lowercase\n\nRun 'gantry run --help' for more information\n",
    ],
    ["run -d -a stdout busybox", 1, "Conflicting options: -a and -d\n"],
    ["ps --foo", 125, "unknown flag: --foo\nSee 'gantry ps --help'.\n"],
    [
      "ps x",
      1,
      `"gantry ps" accepts no arguments.\nSee 'gantry ps --help'.\n\nUsage:  gantry ps [OPTIONS]\n\nList containers\n`,
    ],
    ["nosuch", 1, "gantry: 'nosuch' is not a gantry command.\nSee 'gantry --help'\n"],
    [
      "container strat x",
      1,
      "gantry: 'container strat' is not a gantry command.\nDid you mean gantry container start?\nSee 'gantry container --help'\n",
    ],
    ["--foo", 125, "unknown flag: --foo\nSee 'gantry --help'.\n"],
    [
      "-H foo://x ps",
      1,
      "Failed to initialize: unable to resolve docker endpoint: invalid bind address format: foo://x\n",
    ],
    [
      "--tlscacert /nope --tls ps",
      1,
      "Failed to initialize: unable to resolve docker endpoint: open /nope: no such file or directory\n",
    ],
    ["-l nosuch ps", 1, "Unable to parse logging level: nosuch\n"],
    ["help container nosuch", 1, "unknown help topic: container nosuch\n"],
    ["help nosuch", 1, "unknown help topic: nosuch\n"],
    ["inspect --type x y", 1, '"x" is not a valid value for --type\n'],
  ];
  for (const [line, status, err] of refused)
    test(`"gantry ${line}" exits with ${status}`, async () => {
      const engine = await new FakeEngine().start((_, response) => fail(response, 500, "must not be called"));
      expect(await gantry(line.split(" "), { DOCKER_HOST: `unix://${engine.socket}` })).toEqual({
        status,
        out: "",
        err,
      });
      expect(engine.calls).toEqual([]);
    });
});

describe("other commands", () => {
  test("ps prints Docker's table", async () => {
    const engine = await new FakeEngine().start((_, response) =>
      response.end(
        JSON.stringify([
          {
            Id: "0123456789abcdef".repeat(4),
            Names: ["/web", "/other/alias"],
            Image: "busybox",
            Command: "sh -c 'echo a very long command'",
            Created: Math.floor(Date.now() / 1000) - 130,
            Ports: [
              { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
              { PrivatePort: 90, Type: "udp" },
            ],
            Status: "Up 2 minutes",
          },
        ]),
      ),
    );
    const outcome = await gantry(["ps", "-a", "--filter", "name=web"], {
      DOCKER_HOST: `unix://${engine.socket}`,
    });
    expect(outcome.out).toBe(
      [
        "CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         PORTS                          NAMES",
        '0123456789ab   busybox   "sh -c \'echo a very …"   2 minutes ago   Up 2 minutes   90/udp, 0.0.0.0:8080->80/tcp   web',
        "",
      ].join("\n"),
    );
    expect(engine.urls()).toEqual([
      "GET /containers/json?all=1&brief=1&filters=%7B%22name%22%3A%7B%22web%22%3Atrue%7D%7D",
    ]);
  });

  test("rm goes on after a failure and exits with 1", async () => {
    const engine = await new FakeEngine().start((call, response) => {
      if (call.url.includes("nosuch")) fail(response, 404, "No such container: nosuch");
      else {
        response.writeHead(204);
        response.end();
      }
    });
    expect(await gantry(["rm", "a", "nosuch", "b"], { DOCKER_HOST: `unix://${engine.socket}` })).toEqual({
      status: 1,
      out: "a\nb\n",
      err: "Error response from daemon: No such container: nosuch\n",
    });
  });

  test("logs separates the streams, or not when the container has a terminal", async () => {
    const engine = await new FakeEngine().start((call, response) => {
      if (call.url.endsWith("/tty/json")) response.end('{"Config":{"Tty":true}}');
      else if (call.url.endsWith("/json")) response.end('{"Config":{"Tty":false}}');
      else
        response.end(call.url.includes("/tty/") ? "raw" : Buffer.concat([frame(1, "o\n"), frame(2, "e\n")]));
    });
    const variables = { DOCKER_HOST: `unix://${engine.socket}` };
    expect(await gantry(["logs", "-n", "5", "c"], variables)).toEqual({ status: 0, out: "o\n", err: "e\n" });
    expect(await gantry(["logs", "tty"], variables)).toEqual({ status: 0, out: "raw", err: "" });
    expect(engine.urls()).toContain("GET /containers/c/logs?stderr=1&stdout=1&tail=5");
  });

  test("exec passes the exit status of its process on", async () => {
    const engine = await new FakeEngine().start((call, response) => {
      if (call.url.endsWith("/exec")) response.end('{"Id":"e1"}');
      else response.end('{"ExitCode":3}');
    });
    engine.onUpgrade = (socket) => socket.end(frame(1, "out\n"));
    expect(
      await gantry(["exec", "-e", "A=1", "c", "sh", "-c", "x"], { DOCKER_HOST: `unix://${engine.socket}` }),
    ).toEqual({
      status: 3,
      out: "out\n",
      err: "",
    });
    expect(JSON.parse(engine.calls[0]?.body ?? "")).toMatchObject({
      Env: ["A=1"],
      Cmd: ["sh", "-c", "x"],
      AttachStdout: true,
    });
    expect(engine.urls()).toEqual(["POST /containers/c/exec", "POST /exec/e1/start", "GET /exec/e1/json"]);
  });

  test("inspect keeps order and every digit of the engine's document", async () => {
    const engine = await new FakeEngine().start((_, response) =>
      response.end('{"b":12345678901234567890,"a":{},"c":[],"d":[1,"x: {"]}\n'),
    );
    const { out } = await gantry(["inspect", "c"], { DOCKER_HOST: `unix://${engine.socket}` });
    expect(out).toBe(
      '[\n    {\n        "b": 12345678901234567890,\n        "a": {},\n        "c": [],\n        "d": [\n            1,\n            "x: {"\n        ]\n    }\n]\n',
    );
  });

  test("a template may ask for what Docker leaves out of a container that has nothing to say", async () => {
    const engine = await new FakeEngine().start((_, response) =>
      response.end('{"Id":"x","State":{"Status":"created"},"Config":{"StopSignal":"QUIT"},"HostConfig":{}}'),
    );
    const shown = async (format: string): Promise<string> => {
      const { out, err } = await gantry(["inspect", "-f", format, "c"], {
        DOCKER_HOST: `unix://${engine.socket}`,
      });
      return (out + err).trim();
    };
    expect(await shown("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}")).toBe("none");
    expect(await shown("{{.State.Health}} {{json .State.Health}} {{.Config.Healthcheck}}")).toBe(
      "<nil> null <nil>",
    );
    expect(await shown("{{.Config.StopSignal}} {{.HostConfig.Init}} {{.HostConfig.Tmpfs}}")).toBe(
      "QUIT <nil> map[]",
    );
    expect(await shown("{{.State.Health.Status}}")).toContain('map has no entry for key "Health"');
    expect(await shown("{{.State.Nope}}")).toContain('map has no entry for key "Nope"');
  });

  test("inspect prints what it found and fails for the rest", async () => {
    const engine = await new FakeEngine().start((call, response) => {
      if (call.url === "/images/busybox/json") response.end('{"Id":"x"}');
      else fail(response, 404, "no such thing");
    });
    expect(
      await gantry(["inspect", "-f", "{{.Id}}", "busybox", "nosuch"], {
        DOCKER_HOST: `unix://${engine.socket}`,
      }),
    ).toEqual({
      status: 1,
      out: "x\n",
      err: "Error: No such object: nosuch\n",
    });
  });

  test("a context of the configuration names the engine", async () => {
    const engine = await new FakeEngine().start((_, response) => response.end("[]"));
    const home = temporaryDirectory();
    // The store names a context's directory by the SHA-256 of its name.
    const meta = join(
      home,
      ".docker/contexts/meta/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    );
    mkdirSync(meta, { recursive: true });
    writeFileSync(
      join(meta, "meta.json"),
      JSON.stringify({ Name: "test", Endpoints: { docker: { Host: `unix://${engine.socket}` } } }),
    );
    writeFileSync(join(home, ".docker/config.json"), '{"currentContext":"test","HttpHeaders":{"X-Own":"1"}}');
    expect((await gantry(["ps", "-q"], {}, home)).status).toBe(0);
    expect(engine.calls).toHaveLength(1);
    const missing = await gantry(["-c", "other", "ps"], {}, home);
    expect(missing.err).toContain('context "other": context not found');
  });

  test("without an engine the message names the socket", async () => {
    const outcome = await gantry(["-H", "unix:///nonexistent/x.sock", "ps"]);
    expect(outcome).toEqual({
      status: 1,
      out: "",
      err: "Cannot connect to the engine at unix:///nonexistent/x.sock. Is gantryd running?\n",
    });
  });

  test("-h is help where no flag has the letter, and says that it is deprecated", async () => {
    const deprecated = "Flag shorthand -h has been deprecated, please use --help\n";
    const help = await gantry(["rm", "--help"]);
    expect(await gantry(["rm", "-fh"])).toEqual({ ...help, out: deprecated + help.out });
    expect(await gantry(["-h", "rm"])).toEqual({ ...help, err: deprecated });
    const group = await gantry(["container", "--help"]);
    expect(await gantry(["container", "-h"])).toEqual({ ...group, out: deprecated + group.out });
    expect((await gantry(["run", "-h"])).err).toBe(
      "flag needs an argument: 'h' in -h\nSee 'gantry run --help'.\n",
    );
    expect((await gantry(["rm", "--h"])).err).toContain("unknown flag: --h");
  });

  test("DOCKER_HIDE_LEGACY_COMMANDS leaves the short ways out of the overview", async () => {
    const rename = "  rename      Rename a container\n";
    const long = await gantry(["--help"]);
    const short = await gantry(["--help"], { DOCKER_HIDE_LEGACY_COMMANDS: "1" });
    expect(long.out).toContain(rename);
    expect(short.out).not.toContain(rename);
    for (const word of ["run", "inspect", "login"]) expect(short.out).toContain(`\n  ${word} `);
  });

  test("inspect --type '' looks among all kinds", async () => {
    const engine = await new FakeEngine().start((_, response) => fail(response, 404, "no"));
    const { err } = await gantry(["inspect", "--type", "", "x"], engine.variables);
    expect(err).toBe("Error: No such object: x\n");
  });

  test("--version and help need no engine", async () => {
    expect(await gantry(["--version"])).toEqual({ status: 0, out: "Gantry version 9.9.9\n", err: "" });
    const { status, out } = await gantry(["rm", "--help"]);
    expect(status).toBe(0);
    expect(out).toBe(`
Usage:  gantry rm [OPTIONS] CONTAINER [CONTAINER...]

Remove one or more containers

Aliases:
  gantry container rm, gantry container remove, gantry rm

Options:
  -f, --force     Force the removal of a running container (uses SIGKILL)
  -l, --link      Remove the specified link
  -v, --volumes   Remove anonymous volumes associated with the container
`);
  });
});
