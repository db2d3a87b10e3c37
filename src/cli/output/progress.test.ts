import { describe, expect, test } from "bun:test";
import { rejection } from "../../base/testing/rejection.ts";
import type { TerminalSize } from "../terminal.ts";
import { showProgress } from "./progress.ts";

async function shown(messages: readonly object[], sizes?: readonly TerminalSize[]): Promise<string> {
  let out = "";
  let at = 0;
  const size =
    sizes === undefined
      ? undefined
      : () => sizes[Math.min(at++, sizes.length - 1)] ?? { rows: 0, columns: 0 };
  const stream = async function* (): AsyncGenerator {
    yield* messages;
  };
  await showProgress(stream(), { sink: { write: async (text) => void (out += String(text)) }, size });
  return out;
}

const WIDE = { rows: 24, columns: 200 };

describe("showProgress()", () => {
  test("prints plain lines without bars where there is no terminal", async () => {
    const out = await shown([
      { status: "Pulling from library/x", id: "latest" },
      { status: "Downloading", id: "abc", progressDetail: { current: 5, total: 10 } },
      { status: "Pull complete", id: "abc", progressDetail: {} },
    ]);
    expect(out).toBe("latest: Pulling from library/x\nabc: Pull complete\n");
  });

  test("rewrites a layer's line in its place", async () => {
    const out = await shown(
      [
        { status: "Waiting", id: "a" },
        { status: "Waiting", id: "b" },
        { status: "Downloading", id: "a", progressDetail: { current: 5, total: 10 } },
      ],
      [WIDE],
    );
    const bar = `[${"=".repeat(25)}>${" ".repeat(25)}]       5B/10B`;
    expect(out).toBe(
      `\r\x1b[2Ka: Waiting\n\r\x1b[2Kb: Waiting\n\x1b[2A\r\x1b[2Ka: Downloading ${bar}\r\x1b[2B`,
    );
  });

  test("cuts lines at the width that the terminal has now", async () => {
    const message = { status: "Downloading a lot", id: "a" };
    const out = await shown([message, message], [WIDE, { rows: 24, columns: 10 }]);
    expect(out).toBe("\r\x1b[2Ka: Downloading a lot\n\x1b[1A\r\x1b[2Ka: Downlo\r\x1b[1B");
  });

  test("leaves lines alone that have scrolled away", async () => {
    const first = Array.from({ length: 6 }, (_, i) => ({ status: "Waiting", id: `l${i}` }));
    const out = await shown(
      [...first, { status: "Pull complete", id: "l0" }, { status: "Pull complete", id: "l5" }],
      [{ rows: 4, columns: 80 }],
    );
    expect(out).not.toContain("l0: Pull complete");
    expect(out).toContain("l5: Pull complete");
  });

  test("hands no control characters of the wire to the terminal", async () => {
    const out = await shown([{ status: "\x1b]0;owned\x07", id: "\x1b[2J" }, { stream: "line\x9b31m\n" }]);
    expect(out).toBe("\ufffd[2J: \ufffd]0;owned\ufffd\nline\ufffd31m\n");
    const error = await rejection(shown([{ errorDetail: { message: "bad\x1b[1m" } }]));
    expect(error.message).toBe("bad\ufffd[1m");
  });
});
