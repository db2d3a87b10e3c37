/** `gantry update`: what goes to the engine and what is printed. */
import { afterEach, expect, test } from "bun:test";
import { cleanUp, fail, FakeEngine, gantry } from "../testing/fake-engine.ts";

afterEach(cleanUp);

async function lines(...words: string[]) {
  const engine = await new FakeEngine().start(({ url }, response) => {
    if (url.includes("nosuch")) fail(response, 404, "No such container: nosuch");
    else response.end(JSON.stringify({ Warnings: url.includes("odd") ? ["mind the gap"] : null }));
  });
  const outcome = await gantry(["update", ...words], engine.variables);
  return { ...outcome, engine };
}

const bodies: [string[], unknown][] = [
  [
    ["--restart", "on-failure:3"],
    { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 }, Networking: {} },
  ],
  [
    ["--publish-add", "8080:80", "--publish-add", "127.0.0.1:81:80", "--publish-add", "7-8:7-8/udp"],
    {
      Networking: {
        PublishAdd: {
          "80/tcp": [
            { HostIp: "", HostPort: "8080" },
            { HostIp: "127.0.0.1", HostPort: "81" },
          ],
          "7/udp": [{ HostIp: "", HostPort: "7" }],
          "8/udp": [{ HostIp: "", HostPort: "8" }],
        },
      },
    },
  ],
  [["--publish-rm=80"], { Networking: { PublishRemove: { "80/tcp": [{ HostIp: "", HostPort: "" }] } } }],
  [
    ["-m", "64m", "--memory-swap=-1", "--memory-reservation", "10m", "--cpus", "1.5", "--pids-limit", "-1"],
    {
      Memory: 64 << 20,
      MemorySwap: -1,
      MemoryReservation: 10 << 20,
      NanoCpus: 1_500_000_000,
      PidsLimit: -1,
      Networking: {},
    },
  ],
  [
    "-c 512 --cpu-period 50000 --cpu-quota 20000 --cpuset-cpus 0-1 --cpuset-mems 0 --blkio-weight 300".split(
      " ",
    ),
    {
      CpuShares: 512,
      CpuPeriod: 50_000,
      CpuQuota: 20_000,
      CpusetCpus: "0-1",
      CpusetMems: "0",
      BlkioWeight: 300,
      Networking: {},
    },
  ],
  [
    ["--cpu-rt-period", "1000000", "--cpu-rt-runtime", "950000"],
    { CpuRealtimePeriod: 1_000_000, CpuRealtimeRuntime: 950_000, Networking: {} },
  ],
  [["--net-rate-in", "1.5m", "--net-rate-out=0"], { Networking: { RateIn: 1_500_000, RateOut: 0 } }],
];
for (const [flags, body] of bodies)
  test(`update ${flags.join(" ")}`, async () => {
    const { engine, ...outcome } = await lines(...flags, "a", "b");
    expect(outcome).toEqual({ status: 0, out: "a\nb\n", err: "" });
    expect(engine.urls().toSorted()).toEqual(["POST /containers/a/update", "POST /containers/b/update"]);
    expect(JSON.parse(engine.calls[0]?.body ?? "")).toEqual(body);
  });

test("update goes on after a failure, and tells warnings last", async () => {
  expect(await lines("--restart", "no", "odd", "nosuch", "c")).toMatchObject({
    status: 1,
    out: "odd\nc\nmind the gap\n",
    err: "Error response from daemon: No such container: nosuch\n",
  });
});

const refused: [string[], string][] = [
  [["c"], "you must provide one or more flags when using this command\n"],
  [["--restart", "always:x", "c"], "invalid restart policy format: maximum retry count must be an integer\n"],
  [["--publish-add", "80/xyz", "c"], "Invalid proto: xyz\n"],
];
for (const [words, err] of refused)
  test(`update ${words.join(" ")} is refused before anybody is asked`, async () => {
    const { engine, ...outcome } = await lines(...words);
    expect(outcome).toEqual({ status: 1, out: "", err });
    expect(engine.calls).toEqual([]);
  });
