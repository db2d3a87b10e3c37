import { expect, test } from "bun:test";
import { join } from "node:path";
import { ROOT } from "../../support/engine.ts";
import { describeWith } from "../../support/requires.ts";
import { run } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { INSTALLED, layOut, NODE, testPrograms } from "./programs.ts";

describeWith("programs of client libraries", ["client libraries"], () => {
  test("use them as the libraries' types say", async () => {
    layOut();
    const checked = await run([join(ROOT, "node_modules", ".bin", "tsc"), "--project", INSTALLED]);
    expect(checked.stdout).toBe("");
    expect(checked.code).toBe(0);
  }, 60_000);
});

engineSuite("dockerode", { needs: ["client libraries"] }, (engine) => {
  testPrograms(engine, "dockerode", ["docker.ts"], NODE);
});
