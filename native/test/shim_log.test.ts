/** What the shim writes into the log. The expected bytes are those that Docker 26.1.5 was observed to write. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import {
  allOutput,
  binary,
  flags,
  kinds,
  plan,
  parseLog,
  readLog,
  type ExitEvent,
  Shim,
  sh,
  until,
} from "./shim_harness.ts";

async function logOf(
  script: string,
  options: { terminal?: boolean; attrs?: string; exact?: boolean } = {},
): Promise<string> {
  await using shim = new Shim({ binary });
  const terminal = options.terminal === true;
  await shim.run({
    flags: flags.run | (terminal ? flags.terminal : 0),
    logPath: shim.logPath,
    attrs: options.attrs ?? "",
    exact: options.exact ?? false,
    plan: plan(sh(script), { terminal }),
  });
  return readFileSync(shim.logPath, "latin1");
}

/** Entries without their time. */
function timeless(log: string): string[] {
  return log
    .split("\n")
    .slice(0, -1)
    .map((line) => line.replace(/,"time":"[^"]*"/, ""));
}

/** As the file's bytes, one character each. */
function bytes(text: string): string {
  return Buffer.from(text).toString("latin1");
}

describe("a log entry", () => {
  test("escapes what Docker escapes, and nothing else", async () => {
    const log = await logOf(
      String.raw`printf 'a<b>&c "q" \\ /s \t \b \f \v \001 \177 \r\n\000\033[1m\n\n\r\n'`,
    );
    expect(timeless(log)).toEqual([
      String.raw`{"log":"a\u003cb\u003e\u0026c \"q\" \\ /s \u0009 \u0008 \u000c \u000b \u0001 ${"\u007f"} \r\n","stream":"stdout"}`,
      String.raw`{"log":"\u0000\u001b[1m\n","stream":"stdout"}`,
      String.raw`{"log":"\n","stream":"stdout"}`,
      String.raw`{"log":"\r\n","stream":"stdout"}`,
    ]);
  });

  test("keeps valid UTF-8 and replaces each other byte", async () => {
    const log = await logOf(
      String.raw`printf '\342\200\250\342\200\251 \303\251 \360\237\230\200\nbad \377 \303( \355\240\200 \360\202\202\254 \364\220\200\200 \342\202\n'`,
    );
    expect(timeless(log)).toEqual([
      /* Not one raw template: Bun 1.4.5 turns what is not ASCII in it into escapes. */
      `${String.raw`{"log":"\u2028\u2029 `}${bytes("é 😀")}${String.raw`\n","stream":"stdout"}`}`,
      String.raw`{"log":"bad \ufffd \ufffd( \ufffd\ufffd\ufffd \ufffd\ufffd\ufffd\ufffd \ufffd\ufffd\ufffd\ufffd \ufffd\ufffd\n","stream":"stdout"}`,
    ]);
  });

  test("has a time in UTC without trailing zeros, not before the one ahead of it in its stream", async () => {
    const log = await logOf("seq 1 2000; for i in 1 2 3 4 5 6 7 8 9; do echo $i; done");
    const times = [...log.matchAll(/"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{0,8}[1-9])?Z)"}\n/g)].map(
      (match) => match[1] ?? "",
    );
    expect(times).toHaveLength(2009);
    const padded = times.map((time) =>
      time.replace(/(?:\.(\d+))?Z$/, (_, digits: string | undefined) => `.${(digits ?? "").padEnd(9, "0")}Z`),
    );
    expect(padded).toEqual([...padded].sort());
  });

  test("carries the attributes between stream and time", async () => {
    const log = await logOf("echo hi", { attrs: String.raw`{"a":"2","b\"\u003cq\u003e":"x\u003cy"}` });
    expect(log).toMatch(
      /^\{"log":"hi\\n","stream":"stdout","attrs":\{"a":"2","b\\"\\u003cq\\u003e":"x\\u003cy"\},"time":"[^"]+"\}\n$/,
    );
  });

  test("is of stdout and keeps the carriage return when there is a terminal", async () => {
    const log = await logOf("printf 'a\\nb'; echo err >&2", { terminal: true });
    expect(timeless(log)).toEqual([
      String.raw`{"log":"a\r\n","stream":"stdout"}`,
      String.raw`{"log":"berr\r\n","stream":"stdout"}`,
    ]);
  });

  test("has the mode that Docker gives the file", async () => {
    await using shim = new Shim({ binary });
    await shim.run({ logPath: shim.logPath, plan: plan(sh("echo")) });
    expect(statSync(shim.logPath).mode & 0o777).toBe(0o640);
  });
});

test("an exact log keeps every byte that is not UTF-8", async () => {
  const log = timeless(
    await logOf(String.raw`printf 'bad \377 \303( \355\262\200 \303\251\n'`, { exact: true }),
  );
  expect(log).toEqual([
    `${String.raw`{"log":"bad \udcff \udcc3( \udced\udcb2\udc80 `}${bytes("é")}${String.raw`\n","stream":"stdout"}`}`,
  ]);
});

describe("clearing the log", () => {
  test("deletes all of its files, and what comes begins a new one", async () => {
    await using shim = new Shim({ binary });
    await shim.create({
      flags: flags.run | flags.stdin,
      logPath: shim.logPath,
      maxBytes: 2000n,
      maxFiles: 3,
      plan: plan(sh("seq 1 100; read x; echo after; read x")),
    });
    await until(() => existsSync(`${shim.logPath}.2`));
    writeFileSync(`${shim.logPath}.2.gz`, "");
    await shim.daemon.ok(kinds.clearLog);
    for (const name of ["", ".1", ".2", ".2.gz"]) expect(existsSync(`${shim.logPath}${name}`)).toBe(false);
    const peer = await shim.attach(flags.stdin);
    peer.send("\n");
    await until(() => existsSync(shim.logPath) && shim.log().length === 1);
    expect(shim.log().map((entry) => entry.log)).toEqual(["after\n"]);
    peer.send("\n");
    await shim.exit();
  });

  test("is refused where none is kept", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ plan: plan(sh("exec sleep 9")) });
    expect(await shim.errno(kinds.clearLog)).toBe("ENOENT");
    await shim.kill();
  });
});

describe("a long line", () => {
  for (const [size, parts] of [
    [16383, [16384]],
    [16384, [16384, 1]],
    [16385, [16384, 2]],
    [32768, [16384, 16384, 1]],
    [32769, [16384, 16384, 2]],
  ] as const) {
    test(`of ${size} bytes is cut after every 16384th, only the last part ends it, all have one time`, async () => {
      await using shim = new Shim({ binary });
      await shim.run({
        logPath: shim.logPath,
        plan: plan(sh(`head -c ${size} /dev/zero | tr '\\0' x; echo`)),
      });
      const entries = shim.log();
      expect(entries.map((entry) => entry.log.length)).toEqual([...parts]);
      expect(entries.map((entry) => entry.log.endsWith("\n"))).toEqual(
        parts.map((_, index) => index === parts.length - 1),
      );
      expect(new Set(entries.map((entry) => entry.time)).size).toBe(1);
    });
  }

  test("is cut through a character, and both halves are replaced", async () => {
    const log = timeless(await logOf(String.raw`head -c 16383 /dev/zero | tr '\0' x; printf '\303\251\n'`));
    expect(log).toEqual([
      `{"log":"${"x".repeat(16383)}${String.raw`\ufffd`}","stream":"stdout"}`,
      String.raw`{"log":"\ufffd\n","stream":"stdout"}`,
    ]);
  });

  test("of nothing but NUL bytes fits, six bytes for one", async () => {
    const log = timeless(await logOf("head -c 40000 /dev/zero"));
    expect(log.map((line) => (line.match(/\\u0000/g) ?? []).length)).toEqual([16384, 16384, 7232]);
  });
});

describe("a line that comes in pieces", () => {
  test("is one entry, with a character that was split, written when it is complete", async () => {
    await using shim = new Shim({ binary });
    const peer = await shim.attach(flags.stdin | allOutput);
    await shim.create({
      flags: flags.run | flags.stdin,
      logPath: shim.logPath,
      plan: plan(
        sh(
          String.raw`printf 'caf\303'; read x; printf '\251 %s' $x; echo err >&2; read y; echo " $y"; printf rest`,
        ),
      ),
    });
    await peer.incoming.until("caf");
    peer.send("one\n");
    await peer.incoming.until("err\n");
    await until(() => shim.log().length > 0);
    expect(shim.log().map((entry) => entry.log)).toEqual(["err\n"]);
    peer.send("two\n");
    await shim.exit();
    expect(shim.log().map((entry) => [entry.stream, entry.log])).toEqual([
      ["stderr", "err\n"],
      ["stdout", "café one two\n"],
      ["stdout", "rest"],
    ]);
  });

  test("is visible in the file as soon as its newline was read, while the process goes on", async () => {
    await using shim = new Shim({ binary });
    await shim.create({ logPath: shim.logPath, plan: plan(["/bin/sh", "-c", "echo live; exec sleep 100"]) });
    await until(() => existsSync(shim.logPath) && shim.log().length === 1);
    expect(shim.log()[0]?.log).toBe("live\n");
    await shim.kill();
  });
});

function numbers(texts: readonly string[]): number[] {
  return texts.map((text) => Number(text.split(" ")[0]));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

describe("rotation", () => {
  const lines = "seq -f '%.0f 0123456789' 1 400";

  test("keeps every file within the limit, loses no line and deletes the oldest files", async () => {
    await using shim = new Shim({ binary });
    await shim.run({ logPath: shim.logPath, maxBytes: 4096n, maxFiles: 3, plan: plan(sh(lines)) });
    const names = [`${shim.logPath}.2`, `${shim.logPath}.1`, shim.logPath];
    expect(existsSync(`${shim.logPath}.3`)).toBe(false);
    for (const name of names) expect(statSync(name).size).toBeLessThanOrEqual(4096);
    const kept = numbers(names.flatMap(readLog).map((entry) => entry.log));
    expect(kept).toEqual(upTo(400).slice(400 - kept.length));
    expect(statSync(`${shim.logPath}.1`).size).toBeGreaterThan(4096 - 110);
  });

  test("with one file begins it anew, and who has the old one open still reads it", async () => {
    await using shim = new Shim({ binary });
    await shim.run({ logPath: shim.logPath, maxBytes: 4096n, maxFiles: 1, plan: plan(sh(lines)) });
    expect(existsSync(`${shim.logPath}.1`)).toBe(false);
    expect(statSync(shim.logPath).size).toBeLessThanOrEqual(4096);
    expect(numbers(shim.log().map((entry) => entry.log)).at(-1)).toBe(400);
  });

  test("keeps all lines when there are files enough, entries larger than a file too", async () => {
    await using shim = new Shim({ binary });
    await shim.run({ logPath: shim.logPath, maxBytes: 50n, maxFiles: 1000, plan: plan(sh("seq 1 100")) });
    const names = upTo(99)
      .reverse()
      .map((n) => `${shim.logPath}.${n}`);
    expect(numbers([...names, shim.logPath].flatMap(readLog).map((entry) => entry.log))).toEqual(upTo(100));
  });

  test("counts what an earlier shim wrote", async () => {
    await using shim = new Shim({ binary });
    writeFileSync(shim.logPath, `${"x".repeat(999)}\n`);
    await shim.run({ logPath: shim.logPath, maxBytes: 1024n, maxFiles: 2, plan: plan(sh("echo new")) });
    expect(statSync(`${shim.logPath}.1`).size).toBe(1000);
    expect(shim.log().map((entry) => entry.log)).toEqual(["new\n"]);
  });

  test("moves files that the daemon has compressed, too", async () => {
    await using shim = new Shim({ binary });
    writeFileSync(shim.logPath, `${"x".repeat(999)}\n`);
    writeFileSync(`${shim.logPath}.1.gz`, "one");
    writeFileSync(`${shim.logPath}.2.gz`, "two");
    await shim.run({
      logPath: shim.logPath,
      maxBytes: 1024n,
      maxFiles: 3,
      compress: true,
      plan: plan(sh("echo new")),
    });
    expect(readFileSync(`${shim.logPath}.2.gz`, "utf8")).toBe("one");
    expect(existsSync(`${shim.logPath}.1.gz`)).toBe(false);
    expect(existsSync(`${shim.logPath}.1`)).toBe(true);
  });

  test("waits while the daemon holds the lock on the file", async () => {
    await using shim = new Shim({ binary });
    writeFileSync(shim.logPath, `${"x".repeat(999)}\n`);
    await shim.run({
      logPath: shim.logPath,
      maxBytes: 1024n,
      maxFiles: 2,
      compress: true,
      plan: plan(
        sh(
          `flock ${shim.logPath} sh -c 'echo locked; until grep -q locked ${shim.logPath}; do :; done'; echo unlocked`,
        ),
      ),
    });
    expect(readFileSync(`${shim.logPath}.1`, "utf8")).toContain("locked");
    expect(shim.log().map((entry) => entry.log)).toEqual(["unlocked\n"]);
  });
});

describe("a log that a crash left", () => {
  test("loses the entry that was cut short, and goes on", async () => {
    await using shim = new Shim({ binary });
    const whole = '{"log":"whole\\n","stream":"stdout","time":"2024-01-02T03:04:05Z"}\n';
    writeFileSync(shim.logPath, whole);
    appendFileSync(shim.logPath, `{"log":"${"torn".repeat(1000)}`);
    await shim.run({ logPath: shim.logPath, plan: plan(sh("echo next")) });
    expect(shim.log().map((entry) => entry.log)).toEqual(["whole\n", "next\n"]);
  });

  test("that holds nothing but a torn entry becomes empty", async () => {
    await using shim = new Shim({ binary });
    writeFileSync(shim.logPath, '{"log":"torn');
    await shim.run({ logPath: shim.logPath, plan: plan(sh("echo next")) });
    expect(shim.log().map((entry) => entry.log)).toEqual(["next\n"]);
  });
});

describe("a log that cannot be opened", () => {
  test("is an error of create: not a regular file, no directory, control characters in attributes", async () => {
    for (const options of [
      { logPath: "/dev/null" },
      { logPath: "/nowhere/log" },
      { logPath: "log", attrs: '{"a":\n1}' },
    ]) {
      await using shim = new Shim({ binary });
      const reply = await shim.create({ ...options, plan: plan(sh("true")) });
      expect(reply.kind).toBe(kinds.error);
      expect(await shim.ended).toBe(0);
    }
  });
});

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: tests of a full disk need root for a tmpfs of their own");

describe.if(isRoot)("a full disk", () => {
  /** A shim whose log is on a tmpfs of 64 KiB, filled by `filler` but for a few pages, in a mount namespace of its own. */
  function onSmallDisk(disk: string): Shim {
    const mount = `mount -t tmpfs -o size=64k tmpfs ${disk} && head -c 40000 /dev/zero > ${disk}/filler && exec "$@"`;
    return new Shim({ binary, prefix: ["unshare", "-m", "sh", "-c", mount, "sh"] });
  }

  function inside(shim: Shim, script: string): string {
    const result = spawnSync("nsenter", [`--mount=/proc/${shim.child.pid}/ns/mnt`, "sh", "-c", script], {
      encoding: "utf8",
    });
    expect(result.status).toBe(0);
    return result.stdout;
  }

  test("holds nobody back; the gap is counted, told in the log and reported", async () => {
    const disk = mkdtempSync(join(tmpdir(), "disk-"));
    await using shim = onSmallDisk(disk);
    const peer = await shim.attach(flags.stdin | allOutput);
    await shim.create({
      flags: flags.run | flags.stdin,
      logPath: join(disk, "log"),
      plan: plan(sh("seq 1 100000; echo full >&2; read x; sleep 0.2; seq 1 10; echo end >&2; read y")),
    });
    await peer.incoming.until("full\n");
    inside(shim, `rm ${disk}/filler`);
    peer.send("freed\n");
    await peer.incoming.until("end\n");
    await until(() => inside(shim, `cat ${disk}/log`).includes('"end\\n"'));
    const log = inside(shim, `cat ${disk}/log`);
    peer.send("bye\n");
    const exit: ExitEvent = await shim.exit();
    const texts = parseLog(log).map((entry) => entry.log);
    const notices = texts.filter((text) => text.startsWith("gantry:"));
    expect(notices).toEqual([
      `gantry: ${exit.lostLogBytes} bytes of output are missing here: cannot write the log: No space left on device\n`,
    ]);
    const written = texts.filter((text) => !text.startsWith("gantry:")).join("");
    const all = `${upTo(100000).join("\n")}\nfull\n${upTo(10).join("\n")}\nend\n`;
    expect(BigInt(written.length) + exit.lostLogBytes).toBe(BigInt(all.length));
    expect(texts.slice(texts.findIndex((text) => text.startsWith("gantry:")) + 1).join("")).toBe(
      `${upTo(10).join("\n")}\nend\n`,
    );
    expect(shim.read("exit")).toContain(`"lostLogBytes":"${exit.lostLogBytes}"`);
    rmSync(disk, { recursive: true });
  });
});
