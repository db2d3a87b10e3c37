import { expect, test } from "bun:test";
import { Logger } from "./log.ts";

function collected(...choice: [ConstructorParameters<typeof Logger>[1]]): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  return { log: new Logger((line) => lines.push(line), ...choice), lines };
}

test("text: one line, fields that need it quoted", () => {
  const { log, lines } = collected("info");
  log.with({ component: "x" }).info("a b", { n: 1n, text: 'q"', none: undefined });
  log.debug("not this");
  expect(lines.map((line) => line.replace(/^time=\S+ /, ""))).toEqual([
    'level=info msg="a b" component=x n=1 text="q\\""\n',
  ]);
});

test("json: one object, whose own keys no field can take", () => {
  const { log, lines } = collected({ least: "debug", format: "json" });
  log.debug("a", { n: 1n, ok: true, level: "x", msg: "y" });
  const line: unknown = JSON.parse(lines[0] ?? "");
  expect(line).toEqual({ level: "debug", msg: "a", n: "1", ok: true, time: expect.any(String) });
});

test("a choice counts for loggers that were made before", () => {
  const { log, lines } = collected("info");
  const other = log.with({ component: "x" });
  log.choose({ least: "error", format: "text" });
  other.warn("not this");
  log.choose({ least: "debug", format: "json" });
  other.debug("this");
  expect(lines).toHaveLength(1);
});
