import { expect, test } from "bun:test";
import { parseChanges } from "./changes.ts";

test("instructions become configuration", () => {
  const config = parseChanges([
    'CMD ["a", "b c"]',
    "entrypoint run it",
    "ENV A=1 B=\"two words\" C='x y'",
    "ENV A 3 4",
    'LABEL maintainer="x" __proto__=y',
    "EXPOSE 80 53/UDP",
    'VOLUME ["/data"]',
    "WORKDIR /srv",
    "USER web",
    "STOPSIGNAL SIGINT",
    "ONBUILD RUN x",
  ]);
  expect(config).toMatchObject({
    Cmd: ["a", "b c"],
    Entrypoint: ["/bin/sh", "-c", "run it"],
    Env: ["B=two words", "C=x y", "A=3 4"],
    WorkingDir: "/srv",
    User: "web",
    StopSignal: "SIGINT",
    OnBuild: ["RUN x"],
  });
  expect(Object.entries(config.Labels ?? {})).toEqual([
    ["maintainer", "x"],
    ["__proto__", "y"],
  ]);
  expect(Object.keys(config.ExposedPorts ?? {})).toEqual(["80/tcp", "53/udp"]);
  expect(Object.keys(config.Volumes ?? {})).toEqual(["/data"]);
});

test("what is no change is refused", () => {
  for (const text of [
    "RUN x",
    "CMD",
    "ENV A",
    "ENV A=1 B",
    "EXPOSE x",
    "EXPOSE 70000",
    "WORKDIR x",
    "CMD [1]",
    "",
  ])
    expect(() => parseChanges([text]), text).toThrow();
});
