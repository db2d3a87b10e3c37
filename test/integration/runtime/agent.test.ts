/** A filter that asks a supervisor: who gets the descriptor, and with which words, in every way a process starts. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { describeWith } from "../../support/requires.ts";
import { Runtime } from "../../support/runtime.ts";
import { until } from "../../support/until.ts";

describeWith("gantry-runc with a seccomp agent", ["root", "busybox", "native"], () => {
  const runtime = new Runtime();
  const socket = join(runtime.directory, "agent.sock");
  const heard: string[] = [];
  let agent: Server;

  beforeAll(async () => {
    runtime.open();
    agent = createServer((connection) => {
      connection.on("data", (bytes: Buffer) => heard.push(bytes.toString()));
    });
    await new Promise<void>((resolve) => agent.listen(socket, resolve));
  });
  afterEach(async () => {
    heard.length = 0;
    await until("nothing to be left", () => runtime.remains().length === 0, 3000);
  });
  afterAll(() => {
    agent.close();
    runtime.close();
  });

  const seccomp = {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86_64"],
    listenerPath: socket,
    listenerMetadata: "to whom it may concern",
    syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }],
  };
  // This agent's language cannot receive the descriptor and drops it: then the kernel answers "not implemented".
  const script = "mkdir /tmp/x 2>&1; echo $?";

  test("run hands the descriptor over before the program begins", async () => {
    const bundle = runtime.bundle({ args: ["sh", "-c", script], linux: { seccomp } });
    const done = await runtime.call(["run", "-b", bundle, "agent1"]);
    expect(done.stdout).toContain("Function not implemented");
    expect(JSON.parse(heard.join(""))).toMatchObject({
      fds: ["seccompFd"],
      metadata: "to whom it may concern",
      state: { id: "agent1", bundle },
    });
  });

  test("create and start: init offers it to the one that starts", async () => {
    const bundle = runtime.bundle({ args: ["sleep", "1000"], linux: { seccomp } });
    expect(await runtime.start("create", "-b", bundle, "agent2")).toBe(0);
    expect(heard).toEqual([]);
    expect(await runtime.start("start", "agent2")).toBe(0);
    await until("the agent to hear", () => heard.length > 0);
    const { pid } = await runtime.state("agent2");
    expect(JSON.parse(heard.join(""))).toMatchObject({ pid, state: { id: "agent2", pid } });
    await runtime.ok("delete", "--force", "agent2");
  });

  test("without an agent there is no start, and nothing is left", async () => {
    const nobody = { ...seccomp, listenerPath: join(runtime.directory, "nobody.sock") };
    const bundle = runtime.bundle({ args: ["true"], linux: { seccomp: nobody } });
    const done = await runtime.call(["run", "-b", bundle, "agent3"]);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain("nobody.sock");
  });
});
