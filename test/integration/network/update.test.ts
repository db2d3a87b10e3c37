/** Ports and rates of running containers, changed: what packets and the kernel say of it. */
import { expect, test } from "bun:test";
import { fieldsOf } from "../../../src/client/fields.ts";
import { run } from "../../support/run.ts";
import { engineSuite } from "../../support/suite.ts";
import { until } from "../../support/until.ts";

const SERVE = ["sh", "-c", "echo hello > /tmp/index.html; exec httpd -f -p 80 -h /tmp"];

engineSuite("update", {}, (engine) => {
  const host = async (...command: string[]) => run(await engine().inHost(command));
  const inspect = async (name: string, template: string) => engine().ok(["inspect", "-f", template, name]);
  const address = (name: string) => inspect(name, "{{.NetworkSettings.Networks.bridge.IPAddress}}");
  const asks = async (port: number, at = "127.0.0.1"): Promise<boolean> =>
    (await host("busybox", "timeout", "2", "busybox", "wget", "-q", "-O", "-", `http://${at}:${port}/`))
      .stdout === "hello\n";
  const shapers = async (): Promise<string> => (await host("ip", "-o", "link", "show", "type", "ifb")).stdout;

  async function serve(name: string, ...flags: string[]): Promise<void> {
    await engine().ok(["run", "-d", "--name", name, ...flags, "busybox", ...SERVE]);
    const at = await address(name);
    await until("the server to answer", () => asks(80, at));
  }

  test("ports are published, moved and taken away while the container runs, and its next start has them", async () => {
    await serve("web");
    const pid = await inspect("web", "{{.State.Pid}}");
    const update = (...flags: string[]) => engine().ok(["update", ...flags, "web"]);
    expect(await asks(8080)).toBe(false);
    expect(await update("--publish-add", "8080:80")).toBe("web");
    expect([await asks(8080), await asks(8080, "[::1]")]).toEqual([true, true]);
    expect(await engine().ok(["port", "web"])).toBe("80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080");
    await update("--publish-rm", "8080:80", "--publish-add", "127.0.0.1:8080:80", "--publish-add", "8081:80");
    const told = await engine().ok([
      "port",
      "--explain",
      "--format",
      "{{.IPVersion}} {{.From}}: {{.By}}",
      "web",
    ]);
    expect(told.split("\n")).toEqual(
      expect.arrayContaining([
        "IPv4 host (loopback): 127.0.0.1:8080, 127.0.0.1:8081",
        "IPv4 LAN: 0.0.0.0:8081",
        "IPv6 host (loopback): [::1]:8081",
      ]),
    );
    const gateway = await inspect("web", "{{.NetworkSettings.Networks.bridge.Gateway}}");
    expect([await asks(8080), await asks(8080, gateway), await asks(8081, gateway)]).toEqual([
      true,
      false,
      true,
    ]);
    expect([await asks(8080, "[::1]"), await asks(8081, "[::1]")]).toEqual([false, true]);
    await engine().restart();
    expect([await asks(8080), await asks(8081)]).toEqual([true, true]);
    await update("--publish-rm", "8081:80");
    expect(await asks(8081)).toBe(false);
    expect(await inspect("web", "{{.State.Pid}}")).toBe(pid);
    await engine().ok(["restart", "-t", "0", "web"]);
    await until("the server to answer again", () => asks(8080));
    expect(await asks(8081)).toBe(false);
    await update("--publish-rm", "80");
    expect(await engine().ok(["port", "web"])).toBe("");
  }, 30_000);

  test("a clash with another program leaves everything as it was", async () => {
    await serve("web", "-p", "8080:80");
    const { stdout: listener } = await host("sh", "-c", "busybox nc -l -p 9090 >/dev/null 2>&1 & echo $!");
    await until("the other program to listen", async () => /:9090 /.test((await host("ss", "-ltn")).stdout));
    const refused = await engine().gantry([
      "update",
      "--publish-rm",
      "8080:80",
      "--publish-add",
      "7070:80",
      "--publish-add",
      "9090:80",
      "web",
    ]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("failed to bind host port for 0.0.0.0:9090:");
    expect([await asks(8080), await asks(7070)]).toEqual([true, false]);
    expect(await inspect("web", "{{json .HostConfig.PortBindings}}")).toBe(
      '{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}',
    );
    process.kill(Number(listener), "SIGKILL");
    await until("the other program to end", async () => !/:9090 /.test((await host("ss", "-ltn")).stdout));
    await engine().ok(["update", "--publish-add", "9090:80", "web"]);
    expect(await asks(9090)).toBe(true);
  }, 30_000);

  test("a daemon that is killed meanwhile has done all of it or nothing", async () => {
    await serve("web");
    for (const delayMs of [0, 3, 6]) {
      const before = await asks(8080);
      const flag = before ? "--publish-rm" : "--publish-add";
      const call = engine().gantry([
        "update",
        flag,
        "8080:80",
        "--net-rate-out",
        before ? "0" : "50m",
        "web",
      ]);
      await Bun.sleep(20 + delayMs);
      await engine().kill9();
      await call;
      await engine().launch();
      const isAsked = (await inspect("web", "{{json .HostConfig.PortBindings}}")).includes("8080");
      expect([await asks(8080), await asks(8080, "[::1]")]).toEqual([isAsked, isAsked]);
      expect((await engine().ok(["port", "web"])) !== "").toBe(isAsked);
      expect((await inspect("web", "{{json .HostConfig}}")).includes('"NetRateOut":50000000')).toBe(isAsked);
      expect((await shapers()) !== "").toBe(isAsked);
    }
  }, 60_000);

  const BYTES = 1_500_000;

  /** Seconds that 1.5 MB take to, or from, the container. */
  async function seconds(name: string, direction: "in" | "out"): Promise<number> {
    const at = await address(name);
    const [far, near] =
      direction === "in"
        ? ["wc -c", `busybox head -c ${BYTES} /dev/zero | busybox nc ${at} 5000`]
        : [`head -c ${BYTES} /dev/zero`, `busybox nc ${at} 5000 </dev/null | busybox wc -c`];
    const serving = engine().gantry(["exec", name, "sh", "-c", `nc -l -p 5000 -e ${far}`]);
    await until("the container to listen", async () =>
      / 0A /.test(
        await engine()
          .ok(["exec", name, "grep", "-i", ":1388 ", "/proc/net/tcp", "/proc/net/tcp6"])
          .catch(() => ""),
      ),
    );
    const start = performance.now();
    const { stdout } = await host("sh", "-c", near);
    const taken = (performance.now() - start) / 1000;
    expect(stdout.trim()).toBe(String(BYTES));
    await serving;
    return taken;
  }

  test("rates hold in both directions, change while it runs, and leave nothing behind", async () => {
    await engine().ok(["run", "-d", "--name", "slow", "--net-rate-in", "10m", "busybox", "sleep", "1000"]);
    expect(await shapers()).toBe("");
    const limitedIn = await seconds("slow", "in");
    const free = await seconds("slow", "out");
    await engine().ok(["update", "--net-rate-in", "0", "--net-rate-out", "10mbit", "slow"]);
    expect(await shapers()).toMatch(/ gi[0-9a-f]{12}: /);
    const limitedOut = await seconds("slow", "out");
    const freed = await seconds("slow", "in");
    for (const [slow, fast] of [
      [limitedIn, free],
      [limitedOut, freed],
    ] as const)
      expect(slow / fast).toBeGreaterThan(3);
    await engine().ok(["update", "--net-rate-out", "0", "slow"]);
    expect(await shapers()).toBe("");
    await engine().ok(["update", "--net-rate-out", "10m", "slow"]);
    await engine().ok(["restart", "-t", "0", "slow"]);
    expect((await shapers()).match(/ gi[0-9a-f]{12}: /g)).toHaveLength(1);
    await engine().ok(["rm", "-f", "slow"]);
    expect(await shapers()).toBe("");
  }, 60_000);

  test("rates of a container that ends while there is no daemon are taken away by the next one", async () => {
    await engine().ok(["run", "-d", "--name", "slow", "--net-rate-out", "10m", "busybox", "sleep", "1000"]);
    const pid = await inspect("slow", "{{.State.Pid}}");
    await engine().kill9();
    process.kill(Number(pid), "SIGKILL");
    await engine().launch();
    await until("the shaper to go", async () => (await shapers()) === "");
    expect(fieldsOf(await engine().json("GET", "/containers/slow/json"))["RestartCount"]).toBe(0);
  }, 30_000);
});
