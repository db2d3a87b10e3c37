/** Podman with gantry-runc as its runtime, conmon between them: terminals, exit codes, exec, errors by their words. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { describeWith } from "../../support/requires.ts";
import { type Finished, run } from "../../support/run.ts";
import { Runtime } from "../../support/runtime.ts";

/** podman's own would be above what a host without CAP_SYS_RESOURCE can give. */
const LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"];

describeWith("podman --runtime gantry-runc", ["root", "busybox", "native", "podman"], () => {
  const runtime = new Runtime();
  let rootfs = "";
  const podman = (...words: string[]): Promise<Finished> =>
    run(["podman", "--runtime", runtime.program, "--cgroup-manager=cgroupfs", ...words], {
      timeoutMs: 60_000,
    });
  const podmanRun = (...words: string[]): Promise<Finished> =>
    podman("run", "--rm", "--network", "none", ...LIMITS, "--rootfs", rootfs, ...words);

  beforeAll(() => {
    runtime.open();
    rootfs = `${runtime.bundle({ args: ["true"] })}/rootfs`;
  });
  afterEach(async () => {
    await podman("rm", "-f", "-t", "0", "gantry-x");
  });
  afterAll(() => runtime.close());

  test("run shows output and exit status", async () => {
    expect(await podmanRun("sh", "-c", "echo out; exit 7")).toMatchObject({ code: 7, stdout: "out\n" });
  });

  test("a program that is not there is 127, by the words that podman looks for", async () => {
    expect(await podmanRun("/nope")).toMatchObject({ code: 127 });
  });

  test("a detached container: exec, pause, stop by its own trap", async () => {
    const script = 'trap "exit 3" TERM; while :; do sleep 0.1; done';
    const flags = "-d --name gantry-x --memory 64m --network none".split(" ");
    const started = await podman("run", ...flags, ...LIMITS, "--rootfs", rootfs, "sh", "-c", script);
    expect(started).toMatchObject({ code: 0 });
    expect(await podman("exec", "gantry-x", "echo", "inside")).toMatchObject({ code: 0, stdout: "inside\n" });
    expect(await podman("exec", "gantry-x", "/nope")).toMatchObject({ code: 127 });
    expect(await podman("pause", "gantry-x")).toMatchObject({ code: 0 });
    expect(await podman("unpause", "gantry-x")).toMatchObject({ code: 0 });
    expect(await podman("stop", "gantry-x")).toMatchObject({ code: 0 });
    expect(await podman("wait", "gantry-x")).toMatchObject({ stdout: "3\n" });
  });
});
