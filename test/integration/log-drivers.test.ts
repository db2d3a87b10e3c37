/** Log drivers against real sinks where Debian has them (rsyslog, systemd's journal), else against their protocols. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { unpack } from "../../src/core/logging/testing/unpack.ts";
import { type Engine, GANTRY } from "../support/engine.ts";
import { HostProcess, LogSinkProcess } from "../support/log-sinks.ts";
import { must, run } from "../support/run.ts";
import { engineSuite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const RUN = ["run", "-d", "--network", "none"];
/** Bytes that are no text, escapes, what looks like the end of a message in one protocol or another; a line of three parts. */
const HOSTILE = String.raw`printf 'one\n<0>1 - - - - - two\n\033[31mred\r\n'; printf 'bad \377 \303(\n'; printf 'nul\0nul\n'; printf '"},{"x":1\n'; head -c 33000 /dev/zero | tr '\0' y; echo`;

function sh(engine: Engine, driver: string, options: readonly string[], script: string): Promise<string> {
  return engine.ok([
    ...RUN,
    "--log-driver",
    driver,
    ...options.flatMap((option) => ["--log-opt", option]),
    "busybox",
    "sh",
    "-c",
    script,
  ]);
}

engineSuite("log drivers", { flags: ["--log-driver", "local", "--log-opt", "max-file=3"] }, (engine) => {
  const ok = (...args: string[]) => engine().ok(args);
  const inspect = (id: string, field: string) => ok("inspect", "-f", `{{json ${field}}}`, id);

  test("local, here the daemon's default, keeps a container's bytes as they are", async () => {
    expect(await ok("info", "-f", "{{.LoggingDriver}} {{.Plugins.Log}}")).toBe(
      "local [fluentd gelf journald json-file local syslog]",
    );
    const id = await ok(...RUN, "busybox", "printf", String.raw`\377\303( \303\251\n`);
    await ok("wait", id);
    expect(JSON.parse(await inspect(id, ".HostConfig.LogConfig"))).toEqual({
      Type: "local",
      Config: { "max-file": "3" },
    });
    expect(await inspect(id, ".LogPath")).toBe('""');
    const copy = join(engine().dir, "bytes");
    await must(["sh", "-c", `${GANTRY} --host ${engine().host} logs ${id} > ${copy}`]);
    expect(readFileSync(copy).toString("hex")).toBe(
      Buffer.from("\xff\xc3( \xc3\xa9\n", "latin1").toString("hex"),
    );
  });

  test("json-file has Docker's bytes and place", async () => {
    const id = await ok(...RUN, "--log-driver", "json-file", "busybox", "printf", String.raw`\377\n`);
    await ok("wait", id);
    const path: unknown = JSON.parse(await inspect(id, ".LogPath"));
    expect(readFileSync(String(path), "utf8")).toContain(String.raw`"log":"\ufffd\n"`);
  });

  test("logs of none, and of a log whose cache is disabled, are refused as Docker does", async () => {
    const none = await ok(...RUN, "--log-driver", "none", "busybox", "true");
    const off = await sh(
      engine(),
      "syslog",
      ["syslog-address=udp://127.0.0.1:9", "cache-disabled=true"],
      "echo x",
    );
    for (const id of [none, off])
      expect((await engine().gantry(["logs", id])).stderr).toContain(
        "configured logging driver does not support reading",
      );
    expect((await engine().gantry([...RUN, "--log-opt", "foo=x", "busybox", "true"])).stderr).toContain(
      "unknown log opt 'foo' for log driver local",
    );
  });

  test("logs --clear empties the log of a container that goes on writing, and of one that has ended", async () => {
    const id = await ok(...RUN, "-i", "--log-opt", "max-size=1k", "busybox", "sh", "-c", "seq 1 500; cat");
    await until("the first lines", async () => (await ok("logs", id)).endsWith("500"));
    const following = engine().ok(["logs", "-f", "--tail", "0", id]);
    await ok("logs", "--clear", id);
    expect(await ok("logs", id)).toBe("");
    expect(await ok("exec", id, "sh", "-c", "echo after > /proc/1/fd/1")).toBe("");
    await until("what came after", async () => (await ok("logs", id)) === "after");
    await ok("stop", "-t", "0", id);
    expect(await following).toBe("after");
    await ok("logs", "--clear", id);
    expect(await ok("logs", id)).toBe("");
    expect((await engine().gantry(["logs", "--clear", "-f", id])).stderr).toContain("--clear shows nothing");
  });

  test("a container with a dead sink runs, is read, and is removed soon; a sink that comes gets it all", async () => {
    const path = join(engine().dir, "late.sock");
    const address = `fluentd-address=unix://${path}`;
    const begun = performance.now();
    const id = await sh(engine(), "fluentd", [address, "fluentd-retry-wait=50ms"], "seq 1 100000");
    expect(await ok("wait", id)).toBe("0");
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect((await ok("logs", "--tail", "1", id)).trim()).toBe("100000");
    const { StreamSink } = await import("../../src/core/logging/testing/stream-sink.ts");
    const sink = await StreamSink.listen({ path });
    await sink.until((text) => text.includes("100000"));
    const seen: string[] = [];
    for (let rest = sink.bytes; rest.length > 0; ) {
      const [message, after] = unpack(rest);
      seen.push(...logsOf(message));
      rest = after;
    }
    expect(seen.length).toBe(100_000);
    expect(seen).toEqual(Array.from({ length: 100_000 }, (_, i) => String(i + 1)));
    await sink.kill();
    const dead = await sh(engine(), "fluentd", [address], "echo lost");
    const removing = performance.now();
    await ok("rm", "-f", dead);
    expect(performance.now() - removing).toBeLessThan(4_000);
  }, 30_000);

  test("fluentd gets each line as a record, acknowledges, and a hostile container adds nothing to it", async () => {
    await using sink = await LogSinkProcess.start(engine(), "fluentd");
    await sh(
      engine(),
      "fluentd",
      [
        `fluentd-address=127.0.0.1:${sink.port}`,
        "fluentd-request-ack=true",
        "tag=docker.{{.ID}}",
        "env=HOME",
      ],
      HOSTILE,
    );
    await until("all lines", () => sink.text.includes("partial_last\xa4true"));
    const entries = sink.pieces.flatMap((piece) => recordsOf(unpack(piece)[0]));
    expect(entries.map(({ log }) => log?.slice(0, 40))).toEqual([
      "one",
      "<0>1 - - - - - two",
      "\x1b[31mred\r",
      "bad \xff \xc3(",
      "nul\0nul",
      '"},{"x":1',
      "y".repeat(40),
      "y".repeat(40),
      "y".repeat(40),
    ]);
    expect(entries.slice(6).map(({ partial_ordinal }) => partial_ordinal)).toEqual(["1", "2", "3"]);
    expect(Object.keys(entries[0] ?? {}).sort()).toEqual(["container_id", "container_name", "log", "source"]);
  });

  test("GELF goes over UDP, compressed, and over TCP", async () => {
    await using udp = await LogSinkProcess.start(engine(), "udp");
    await using tcp = await LogSinkProcess.start(engine(), "tcp");
    await sh(engine(), "gelf", [`gelf-address=udp://localhost:${udp.port}`], "echo over udp");
    await sh(engine(), "gelf", [`gelf-address=tcp://127.0.0.1:${tcp.port}`, "tag=t"], HOSTILE);
    await until("a datagram", () => udp.pieces.length > 0);
    const { gunzipSync } = await import("node:zlib");
    expect(JSON.parse(gunzipSync(udp.pieces[0] ?? "").toString())).toMatchObject({
      version: "1.1",
      short_message: "over udp",
      _image_name: "busybox",
      _command: "sh -c echo over udp",
    });
    await until("all lines", () => tcp.text.split("\0").length === 10);
    const messages: { _tag: string; short_message: string }[] = tcp.text
      .split("\0")
      .slice(0, -1)
      .map((text) => JSON.parse(text));
    expect(messages.every(({ _tag }) => _tag === "t")).toBe(true);
    expect(messages[4]?.short_message).toBe("nul\0nul");
  });

  test("syslog goes over TLS to whom the certificate proves, and to nobody else", async () => {
    const dir = mkdtempSync(join(tmpdir(), "log-tls-"));
    const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
    await must(
      `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${key} -out ${cert}`.split(
        " ",
      ),
    );
    await using sink = await LogSinkProcess.start(engine(), "tls", key, cert);
    const address = `syslog-address=tcp+tls://localhost:${sink.port}`;
    const untrusted = await sh(engine(), "syslog", [address], "echo nobody");
    await sh(
      engine(),
      "syslog",
      [address, `syslog-tls-ca-cert=${cert}`, "syslog-format=rfc5424micro", "tag=x"],
      "echo somebody",
    );
    await until("the line", () => sink.text.includes("somebody"));
    const [, length, rest = ""] = /^(\d+) (.*)$/s.exec(sink.text) ?? [];
    expect(rest).toMatch(/^<30>1 \d{4}-\S+\.\d{6}\S+ \S+ x \d+ x - somebody\n$/);
    expect(Number(length)).toBe(rest.length);
    expect(readFileSync(engine().logFile, "utf8")).toContain(`id=${untrusted} sink=syslog`);
    rmSync(dir, { recursive: true });
  });
});

engineSuite("syslog with rsyslog", { needs: ["rsyslog"] }, (engine) => {
  async function rsyslog(port: number, out: string): Promise<HostProcess> {
    const dir = engine().dir;
    const config = join(dir, "rsyslog.conf");
    writeFileSync(
      config,
      `global(workDirectory="${dir}" maxMessageSize="64k")
module(load="imtcp" maxSessions="100")
module(load="imudp")
template(name="line" type="string" string="%syslogtag%|%pri%|%msg%\\n")
input(type="imtcp" port="${port}")
input(type="imudp" port="${port}")
action(type="omfile" file="${out}" template="line")
`,
    );
    const daemon = await HostProcess.start(engine(), [
      "rsyslogd",
      "-n",
      "-f",
      config,
      "-i",
      join(dir, "rsyslog.pid"),
    ]);
    const port16 = port.toString(16).toUpperCase().padStart(4, "0");
    await until("rsyslog to listen", () =>
      readFileSync(`/proc/${engine().pid}/net/tcp`, "utf8").includes(`:${port16} `),
    );
    return daemon;
  }
  const linesOf = (out: string): string[] =>
    existsSync(out) ? readFileSync(out, "latin1").split("\n").slice(0, -1) : [];

  test("each line of a hostile container is one message, over TCP and UDP, soon", async () => {
    const out = join(engine().dir, "hostile.out");
    await using daemon = await rsyslog(6514, out);
    expect(daemon.lines.length).toBe(0);
    for (const [protocol, format] of [
      ["tcp", "rfc3164"],
      ["udp", "rfc5424"],
    ] as const) {
      const options = [
        `syslog-address=${protocol}://127.0.0.1:6514`,
        `syslog-format=${format}`,
        `tag=${protocol}`,
      ];
      await sh(engine(), "syslog", [...options, "syslog-facility=local3"], HOSTILE);
      await until("all lines", () => linesOf(out).filter((line) => line.startsWith(protocol)).length === 9);
    }
    const messages = linesOf(out).map((line) => line.replace(/^(tcp|udp)[^|]*\|158\| ?/, "").slice(0, 30));
    const expected = [
      "one",
      "<0>1 - - - - - two",
      "#033[31mred#015",
      "bad \xff \xc3(",
      "nul#000nul",
      '"},{"x":1',
      ...Array<string>(3).fill("y".repeat(30)),
    ];
    expect(messages).toEqual([...expected, ...expected]);
  });

  test("a daemon that is killed again and again loses no line, and repeats few", async () => {
    const out = join(engine().dir, "killed.out");
    await using daemon = await rsyslog(6515, out);
    expect(daemon.lines.length).toBe(0);
    const id = await sh(
      engine(),
      "syslog",
      ["syslog-address=tcp://127.0.0.1:6515", "tag=k", "cache-max-size=200k"],
      "i=0; while [ $i -lt 6000 ]; do i=$((i+1)); echo n$i; [ $((i % 20)) = 0 ] && sleep 0.01; done; exit 0",
    );
    for (let kill = 0; kill < 3; kill++) {
      await until("some lines", () => linesOf(out).length > 500 * (kill + 1));
      await engine().kill9();
      await engine().launch();
    }
    await engine().ok(["wait", id]);
    await until("the last line", () => linesOf(out).at(-1)?.endsWith("n6000") === true);
    const numbers = linesOf(out).map((line) => Number(/n(\d+)$/.exec(line)?.[1]));
    const missing = Array.from({ length: 6000 }, (_, i) => i + 1).filter((n) => !new Set(numbers).has(n));
    expect(missing.slice(0, 10)).toEqual([]);
    expect(numbers.length - 6000).toBeLessThan(6000);
    console.log(`three kills: ${numbers.length - 6000} of 6000 lines came twice`);
  }, 60_000);
});

const JOURNAL_SOCKET = "/run/systemd/journal/socket";
const JOURNAL_HOST = `
for d in /run/systemd /run/log; do mkdir -p $d; mount -t tmpfs tmpfs $d; done
mkdir -p /run/systemd/journal /run/log/journal
[ -s /etc/machine-id ] || { echo 0123456789abcdef0123456789abcdef > /run/log/id; mount --bind /run/log/id /etc/machine-id; }`;

/** One that listens; the socket of the one before it is nobody's. */
async function startJournal(engine: Engine): Promise<HostProcess> {
  await must(await engine.inHost(["rm", "-f", JOURNAL_SOCKET]));
  const journal = await HostProcess.start(engine, ["/lib/systemd/systemd-journald"]);
  const look = await engine.inHost(["test", "-S", JOURNAL_SOCKET]);
  await until("the journal to listen", async () => (await run(look)).code === 0);
  return journal;
}

engineSuite("journald with systemd's journal", { needs: ["journald"], host: JOURNAL_HOST }, (engine) => {
  test("entries have Docker's fields, parts and all; too large ones go by descriptor", async () => {
    await using journal = await startJournal(engine());
    expect(journal.lines.length).toBe(0);
    const id = await sh(
      engine(),
      "journald",
      ["tag={{.Name}}", "labels=big,MESSAGE", "env=LOGGED"],
      `sleep 0.5; ${HOSTILE}; echo error >&2`,
    );
    const name = await engine().ok(["inspect", "-f", "{{slice .Name 1}}", id]);
    const query = ["journalctl", "-o", "json", "--all", "-D", "/run/log/journal", `CONTAINER_ID_FULL=${id}`];
    const entries = async (): Promise<Record<string, unknown>[]> => {
      const { stdout } = await run(await engine().inHost(query));
      return stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line): Record<string, unknown> => JSON.parse(line));
    };
    await until("all entries", async () => (await entries()).length === 10);
    const all = await entries();
    expect(all[0]).toMatchObject({
      CONTAINER_ID: id.slice(0, 12),
      CONTAINER_NAME: name,
      CONTAINER_TAG: name,
      SYSLOG_IDENTIFIER: name,
      IMAGE_NAME: "busybox",
      PRIORITY: "6",
      MESSAGE: "one",
    });
    expect(all[3]?.["MESSAGE"]).toEqual([...Buffer.from("bad \xff \xc3(", "latin1")]);
    expect(all.find(({ MESSAGE }) => MESSAGE === "error")?.["PRIORITY"]).toBe("3");
    const parts = all.filter((entry) => "CONTAINER_PARTIAL_ID" in entry);
    expect(parts.map((entry) => entry["CONTAINER_PARTIAL_LAST"])).toEqual(["false", "false", "true"]);
    expect(new Set(parts.map((entry) => entry["CONTAINER_PARTIAL_ID"])).size).toBe(1);
  }, 20_000);

  test("an entry that no datagram can hold is handed over as a sealed file", async () => {
    await using journal = await startJournal(engine());
    expect(journal.lines.length).toBe(0);
    const big = "b".repeat(110_000);
    const labels = ["--label", `one=${big}`, "--label", `two=${big}`, "--label", `three=${big}`];
    const options = ["--log-driver", "journald", "--log-opt", "labels=one,two,three", ...labels];
    const id = await engine().ok([...RUN, ...options, "busybox", "echo", "large"]);
    const query = ["journalctl", "-o", "json", "--all", "-D", "/run/log/journal", `CONTAINER_ID_FULL=${id}`];
    let found: unknown;
    await until("the entry", async () => {
      const { stdout } = await run(await engine().inHost(query));
      if (stdout.trim() === "") return false;
      found = JSON.parse(stdout);
      return true;
    });
    expect(found).toMatchObject({ MESSAGE: "large", THREE: big });
  }, 20_000);
});

function recordsOf(message: unknown): Record<string, string>[] {
  if (!Array.isArray(message) || !Array.isArray(message[1])) throw new Error("not a message");
  return message[1].map((entry: unknown) => {
    const fields: unknown = Array.isArray(entry) ? entry[1] : undefined;
    if (!(fields instanceof Map)) throw new Error("not a record");
    return Object.fromEntries(
      [...fields].map(([key, value]) => [String(key), Buffer.from(value).toString("latin1")]),
    );
  });
}

function logsOf(message: unknown): string[] {
  return recordsOf(message).map(({ log = "" }) => log);
}
