import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { fail } from "../../base/errors.ts";
import { NO_LOG } from "../../base/log.ts";
import { networkSettings, NO_SANDBOX } from "../../engine/networks/endpoint-documents.ts";
import { membershipsOf } from "../../engine/networks/places.ts";
import { mendLimits } from "../../engine/containers/change-limits.ts";
import type { Container } from "../../engine/containers/container.ts";
import type { NetworkSettings } from "../../specs/engine/container.ts";
import { type Answer, ApiHost } from "../testing/api-host.ts";

let host: ApiHost;

beforeEach(async () => {
  host = await ApiHost.start();
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

const post = (path: string, body?: unknown): Promise<Answer> => host.call("POST", path, body);
const update = (name: string, body?: unknown): Promise<Answer> => post(`/containers/${name}/update`, body);
const networking = (name: string, Networking: unknown): Promise<Answer> => update(name, { Networking });

/** What an engine that starts now would read: the same as this one knows. */
function stored(name: string): Container {
  const container = host.stored(name);
  expect(container.host).toEqual(host.store.find(name).host);
  return container;
}

function ports(name: string): NetworkSettings["Ports"] {
  const { id } = host.store.find(name);
  return networkSettings(membershipsOf(host.network.parts.networks, id), NO_SANDBOX).Ports;
}

const led = (): string[] =>
  host.network.firewall.publications.map(
    ({ hostIp, hostPort, containerPort, protocol }) => `${hostIp}:${hostPort}->${containerPort}/${protocol}`,
  );

const published = (HostPort: string, HostIp = "") => ({ "80/tcp": [{ HostIp, HostPort }] });

describe("update", () => {
  test("of nothing is fine, and is told", async () => {
    await host.started("web");
    for (const body of [undefined, {}, null, { Memory: 0, CpusetCpus: "", Ulimits: null, Networking: {} }])
      expect(await update("web", body)).toMatchObject({ status: 200, json: { Warnings: null } });
    expect(host.actions().slice(-1)).toEqual(["update"]);
  });

  test("of devices and other resources that Docker does not change changes nothing, and says so", async () => {
    await host.started("web", { HostConfig: { NetworkMode: "none", DeviceCgroupRules: ["c 1:3 r"] } });
    const wishes = {
      Memory: 64 << 20,
      MemorySwap: -1,
      Devices: [{ PathOnHost: "/dev/fuse", PathInContainer: "/dev/fuse", CgroupPermissions: "rwm" }],
      DeviceCgroupRules: ["c 42:* rmw"],
      MemorySwappiness: 5,
    };
    expect(await update("web", wishes)).toMatchObject({
      status: 200,
      json: {
        Warnings: ["Devices", "DeviceCgroupRules", "MemorySwappiness"].map(
          (name) => `"${name}" is not changed by an update. It stays as it is.`,
        ),
      },
    });
    const { Memory, Devices, DeviceCgroupRules, MemorySwappiness } = host.stored("web").host;
    expect([Memory, Devices ?? [], DeviceCgroupRules, MemorySwappiness]).toEqual([
      64 << 20,
      [],
      ["c 1:3 r"],
      null,
    ]);
  });

  test("refuses wrong values and fields by name", async () => {
    await host.started("web");
    const cases: [unknown, number, string][] = [
      [{ CpuRealtimePeriod: 5, CpuRealtimeRuntime: 9 }, 400, "cpu real-time runtime cannot be higher"],
      [{ Networking: { PublishAd: {} } }, 400, `unknown field "Networking.PublishAd"`],
      [{ Networking: { PublishAdd: [] } }, 400, `field "Networking.PublishAdd" must be an object`],
      [
        { Networking: { PublishAdd: { "80/tcp": {} } } },
        400,
        `"Networking.PublishAdd["80/tcp"]" must be a list`,
      ],
      [{ Networking: { RateIn: "1m" } }, 400, `"Networking.RateIn" must be an integer`],
      [{ Networking: { PublishAdd: { "80/xyz": [{}] } } }, 400, "invalid proto: xyz"],
    ];
    for (const [body, status, message] of cases) {
      const answer = await update("web", body);
      expect(answer).toMatchObject({ status, json: { message: expect.stringContaining(message) } });
    }
    expect(host.actions()).not.toContain("update");
    expect((await update("nosuch", {})).status).toBe(404);
  });

  test("changes the restart policy, in the store too, and says what is wrong with one", async () => {
    const id = await host.started("web");
    const policy = { Name: "on-failure", MaximumRetryCount: 3 } as const;
    expect((await update("web", { RestartPolicy: policy })).status).toBe(200);
    expect(stored("web").host.RestartPolicy).toEqual(policy);
    await update("web", { RestartPolicy: { Name: "", MaximumRetryCount: -4 } });
    expect(host.store.find("web").host.RestartPolicy).toEqual(policy);
    const cases: [string, number, string][] = [
      ["bogus", 0, "invalid restart policy: unknown policy 'bogus'; use one of"],
      ["always", 3, "maximum retry count can only be used with 'on-failure'"],
      ["no", -4, "maximum retry count can only be used with 'on-failure' and cannot be negative"],
      ["on-failure", -1, "invalid restart policy: maximum retry count cannot be negative"],
    ];
    for (const [Name, MaximumRetryCount, message] of cases) {
      const answer = await update("web", { RestartPolicy: { Name, MaximumRetryCount } });
      expect(answer.status).toBe(400);
      expect(answer.text).toContain(message);
    }
    await host.create("once", { HostConfig: { AutoRemove: true } });
    const once = host.store.find("once").id;
    expect(await update("once", { RestartPolicy: { Name: "always" } })).toMatchObject({
      status: 409,
      json: {
        message: `Cannot update container ${once}: Restart policy cannot be updated because AutoRemove is enabled for the container`,
      },
    });
    const ended = new Promise((resolve) => host.store.find("web").onExit(resolve));
    host.tasks.running.get(id)?.exit(1);
    await ended;
    expect(host.store.get(id)?.state.status).toBe("restarting");
    await post("/containers/web/stop");
  });
});

describe("published ports of a running container", () => {
  test("come and go, and its next start has them", async () => {
    await host.started("web", { HostConfig: { PortBindings: published("8080") } });
    const changes = {
      PublishAdd: { "90/udp": [{ HostIp: "127.0.0.1", HostPort: "9090" }] },
      PublishRemove: published("8080"),
    };
    expect(await networking("web", changes)).toMatchObject({ status: 200 });
    expect(led()).toEqual(["127.0.0.1:9090->90/udp"]);
    expect(ports("web")).toEqual({ "90/udp": [{ HostIp: "127.0.0.1", HostPort: "9090" }] });
    expect(host.network.forgotten.map(({ hostPort }) => hostPort)).toEqual([8080, 8080, 8080, 8080, 9090]);
    expect((await host.call("GET", "/containers/web/json")).json).toMatchObject({
      Config: { ExposedPorts: { "90/udp": {} } },
      HostConfig: { PortBindings: changes.PublishAdd },
    });
    stored("web");
    await post("/containers/web/restart");
    expect(led()).toEqual(["127.0.0.1:9090->90/udp"]);
    await host.started("twin", { HostConfig: { PortBindings: published("8080") } });
  });

  test("are given back when it ends", async () => {
    await host.started("web");
    await networking("web", { PublishAdd: published("8080") });
    await post("/containers/web/stop");
    await host.store.find("web").settling;
    expect(led()).toEqual([]);
    await host.started("twin", { HostConfig: { PortBindings: published("8080") } });
  });

  test("may move to another port of the container, or address of the host", async () => {
    await host.started("web", { HostConfig: { PortBindings: published("8080") } });
    const narrower = { PublishAdd: published("8080", "127.0.0.1"), PublishRemove: { "80/tcp": null } };
    expect((await networking("web", narrower)).text).toBe('{"Warnings":null}\n');
    expect(led()).toEqual(["127.0.0.1:8080->80/tcp"]);
    const other = {
      PublishAdd: { "81/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }] },
      PublishRemove: published(""),
    };
    expect((await networking("web", other)).status).toBe(200);
    expect(led()).toEqual(["127.0.0.1:8080->81/tcp"]);
  });

  test("are named by the port of the host that they got, too", async () => {
    const bindings = { "80/tcp": [{ HostPort: "7000-7010" }, { HostPort: "" }] };
    await host.started("web", { HostConfig: { PortBindings: bindings } });
    const [random = ""] = led().map((text) => /:(\d+)->/.exec(text)?.[1] ?? "");
    expect((await networking("web", { PublishRemove: published(random) })).status).toBe(200);
    expect(led()).toEqual(["0.0.0.0:7000->80/tcp"]);
    expect((await networking("web", { PublishRemove: published("7000") })).status).toBe(200);
    expect(host.store.find("web").host.PortBindings).toEqual({});
  });

  test("clash in Docker's words, and then nothing has changed", async () => {
    await host.started("other", { HostConfig: { PortBindings: published("8081") } });
    const id = await host.started("web", { HostConfig: { PortBindings: published("8080") } });
    const before = host.store.find("web").record;
    host.network.taken.add("tcp/9090");
    const clash = (HostPort: string) =>
      networking("web", {
        PublishAdd: { "70/tcp": [{ HostPort: "7070" }], "90/tcp": [{ HostPort }] },
        PublishRemove: published("8080"),
      });
    const taken = await clash("8081");
    expect(taken.status).toBe(500);
    expect(taken.text).toContain(
      `Cannot update container ${id}: failed to set up container networking: driver failed programming external connectivity on endpoint web (`,
    );
    expect(taken.text).toContain("Bind for 0.0.0.0:8081 failed: port is already allocated");
    expect((await clash("9090")).text).toContain(
      "failed to bind host port for 0.0.0.0:9090:172.17.0.3:90/tcp: address already in use",
    );
    expect(led()).toEqual(["0.0.0.0:8081->80/tcp", "0.0.0.0:8080->80/tcp"]);
    expect(host.store.find("web").record).toBe(before);
    await host.create("twin", { HostConfig: { PortBindings: published("8080") } });
    expect((await post("/containers/twin/start")).text).toContain("Bind for 0.0.0.0:8080 failed");
    await host.started("third", { HostConfig: { PortBindings: { "1/tcp": [{ HostPort: "7070" }] } } });
  });

  test("are as they were when the firewall refuses", async () => {
    await host.started("web", { HostConfig: { PortBindings: published("8080") } });
    const before = host.store.find("web").record;
    host.network.failing = "apply firewall";
    const changes = { PublishAdd: { "90/tcp": [{ HostPort: "9090" }] }, PublishRemove: published("8080") };
    expect((await networking("web", changes)).status).toBe(500);
    host.network.failing = "";
    expect(host.store.find("web").record).toEqual(before);
    stored("web");
    expect(ports("web")).toEqual({
      "80/tcp": [
        { HostIp: "0.0.0.0", HostPort: "8080" },
        { HostIp: "::", HostPort: "8080" },
      ],
    });
    await host.started("twin", { HostConfig: { PortBindings: { "1/tcp": [{ HostPort: "9090" }] } } });
    expect(led()).toEqual(["0.0.0.0:8080->80/tcp", "0.0.0.0:9090->1/tcp"]);
    await host.create("third", { HostConfig: { PortBindings: published("8080") } });
    expect((await post("/containers/third/start")).text).toContain("Bind for 0.0.0.0:8080 failed");
  });

  test("that a program serves are served anew when they change, and only then", async () => {
    await host.started("web", { HostConfig: { PortBindings: published("8080") } });
    const since = host.network.deeds.length;
    const forwarded = (): string[] =>
      host.network.deeds.slice(since).filter((deed) => deed.startsWith("forward"));
    await networking("web", { PublishAdd: { "90/tcp": [{ HostIp: "127.0.0.1", HostPort: "9090" }] } });
    expect(forwarded()).toEqual([]);
    await networking("web", { PublishAdd: { "91/tcp": [{ HostIp: "::1", HostPort: "9091" }] } });
    expect(forwarded()).toEqual(["forward to port 80", "forward to port 91"]);
    host.network.taken.add("tcp/7070");
    await networking("web", { PublishAdd: published("7070") });
    expect(forwarded().slice(2)).toEqual(["forward to port 80", "forward to port 91"]);
    host.network.failing = "apply firewall";
    await networking("web", { PublishRemove: { "91/tcp": [] } });
    host.network.failing = "";
    expect(forwarded().slice(-2)).toEqual(["forward to port 80", "forward to port 91"]);
    await networking("web", { PublishRemove: { "80/tcp": [], "91/tcp": [] } });
    expect(led()).toEqual(["127.0.0.1:9090->90/tcp"]);
  });

  test("of one that ends meanwhile are nobody's", async () => {
    const id = await host.started("web", { HostConfig: { PortBindings: published("8080") } });
    host.network.onDeed = (deed) => {
      if (deed !== "apply firewall") return;
      host.network.onDeed = () => {};
      host.tasks.running.get(id)?.exit(0);
    };
    expect((await networking("web", { PublishAdd: { "90/tcp": [{ HostPort: "9090" }] } })).status).toBe(200);
    await host.store.find("web").settling;
    expect(led()).toEqual([]);
    for (const [name, port] of [
      ["twin", "8080"],
      ["third", "9090"],
    ] as const)
      await host.started(name, { HostConfig: { PortBindings: published(port) } });
  });

  test("of one that ends while they are taken are nobody's, either", async () => {
    const id = await host.started("web", { HostConfig: { PortBindings: published("8080") } });
    host.network.taken.has = () => {
      host.tasks.running.get(id)?.exit(0);
      return false;
    };
    const changes = {
      PublishAdd: { "90/tcp": [{ HostIp: "", HostPort: "9090" }] },
      PublishRemove: published("8080"),
    };
    expect((await networking("web", changes)).status).toBe(200);
    await host.store.find("web").settling;
    expect(host.network.parts.networks.endpoints()).toEqual([]);
    expect(host.store.find("web").host.PortBindings).toEqual(changes.PublishAdd);
    await host.started("twin", {
      HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }, { HostPort: "9090" }] } },
    });
  });

  test("without a network that leads out are for the next start, which is said", async () => {
    await host.started("web", { HostConfig: { NetworkMode: "none" } });
    expect((await networking("web", { PublishAdd: published("8080") })).json).toEqual({
      Warnings: [
        "port 80/tcp is not published before the next start: the container is in no network that leads out by a bridge",
      ],
    });
    expect(host.store.find("web").host.PortBindings).toEqual(published("8080"));
  });

  test("take the place of a random one of --publish-all", async () => {
    await host.started("web", { ExposedPorts: { "80/tcp": {} }, HostConfig: { PublishAllPorts: true } });
    expect((await networking("web", { PublishRemove: { "80/tcp": [] } })).text).toContain(
      "port 80/tcp is not published by itself: all exposed ports are",
    );
    await networking("web", { PublishAdd: published("8080") });
    expect(led()).toEqual(["0.0.0.0:8080->80/tcp"]);
    await networking("web", { PublishRemove: { "80/tcp": [] } });
    expect(led()).toEqual([]);
  });
});

describe("published ports of a container that does not run", () => {
  test("are for its next start", async () => {
    await host.create("web", { HostConfig: {} });
    expect((await networking("web", { PublishAdd: published("8080") })).status).toBe(200);
    expect(host.network.deeds).toEqual(["raise bridge"]);
    stored("web");
    await post("/containers/web/start");
    expect(led()).toEqual(["0.0.0.0:8080->80/tcp"]);
  });

  test("are there to be removed, and added once", async () => {
    await host.create("web", { HostConfig: { PortBindings: published("8080") } });
    const cases: [unknown, string][] = [
      [{ PublishRemove: published("8081") }, "port 80/tcp is not published to :8081"],
      [{ PublishRemove: { "81/tcp": null } }, "port 81/tcp is not published"],
      [{ PublishAdd: published("8080") }, "port 80/tcp is published to :8080 already"],
      [
        { PublishAdd: { "81/tcp": [{ HostPort: "8080" }] } },
        "Bind for 0.0.0.0:8080 failed: port is already allocated",
      ],
    ];
    for (const [changes, message] of cases) {
      const answer = await networking("web", changes);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.text).toContain(message);
    }
    expect(host.store.find("web").host.PortBindings).toEqual(published("8080"));
  });
});

test("who shares a network has no ports of his own to publish", async () => {
  await host.started("web");
  await host.started("guest", { HostConfig: { NetworkMode: "container:web" } });
  await host.started("bare", { HostConfig: { NetworkMode: "host" } });
  for (const [name, kind] of [
    ["guest", "container"],
    ["bare", "host"],
  ] as const)
    expect(await networking(name, { PublishAdd: published("8080") })).toMatchObject({
      status: 400,
      json: {
        message: expect.stringContaining(
          `conflicting options: port publishing and the ${kind} type network mode`,
        ),
      },
    });
});

describe("limits", () => {
  const MB = 1 << 20;
  const limited = { HostConfig: { Memory: 64 * MB, CpuShares: 512 } };
  const limits = (id: string) => host.tasks.running.get(id)?.limits ?? [];
  const isChanging = (name: string): boolean => host.store.find(name).state.limitsChanging;

  test("change while it runs, only those that are asked for, and for its next start", async () => {
    const id = await host.started("web", limited);
    const wish = { Memory: 32 * MB, NanoCpus: 1_500_000_000, CpusetCpus: "0-1", PidsLimit: 9 };
    expect(await update("web", wish)).toMatchObject({ status: 200, json: { Warnings: null } });
    expect(limits(id)).toEqual([
      {
        memory: { limit: BigInt(32 * MB), swap: BigInt(128 * MB) },
        cpu: { quota: 150_000n, period: 100_000, cpus: "0-1" },
        pids: { limit: 9n },
      },
    ]);
    expect(stored("web").host).toMatchObject({ ...wish, MemorySwap: 128 * MB, CpuShares: 512 });
    expect(host.actions().at(-1)).toBe("update");
    expect(isChanging("web")).toBe(false);
  });

  test("are taken away by what says so", async () => {
    const id = await host.started("web", { HostConfig: { Memory: 64 * MB, PidsLimit: 5 } });
    await update("web", { MemorySwap: -1, PidsLimit: -1 });
    expect(limits(id)).toEqual([
      { memory: { limit: BigInt(64 * MB), swap: -1n }, cpu: {}, pids: { limit: -1n } },
    ]);
  });

  test("that stay as they are do not bother the kernel", async () => {
    const id = await host.started("web", limited);
    expect((await update("web", { Memory: 64 * MB, CpuShares: 512 })).status).toBe(200);
    expect(limits(id)).toEqual([]);
  });

  test("of one that does not run are those of its next start", async () => {
    await host.create("web", limited);
    expect((await update("web", { CpuShares: 99, BlkioWeight: 300, MemoryReservation: 8 * MB })).status).toBe(
      200,
    );
    expect(stored("web").host).toMatchObject({ CpuShares: 99, BlkioWeight: 300 });
  });

  test("are as they were when the kernel refuses them", async () => {
    const id = await host.started("web", limited);
    const task = host.tasks.running.get(id);
    if (task === undefined) throw new Error("it does not run");
    task.failLimit = ({ memory }) =>
      memory?.limit === BigInt(7 * MB)
        ? fail("invalid_argument", "unable to set memory limit to 7340032 (current usage: 9, peak usage: 10)")
        : undefined;
    expect(await update("web", { Memory: 7 * MB, CpuShares: 5 })).toMatchObject({
      status: 500,
      json: {
        message: `Cannot update container ${id}: unable to set memory limit to 7340032 (current usage: 9, peak usage: 10)`,
      },
    });
    expect(limits(id).at(-1)).toEqual({
      memory: { limit: BigInt(64 * MB), swap: BigInt(128 * MB) },
      cpu: { shares: 512 },
    });
    expect(stored("web").host).toMatchObject({ Memory: 64 * MB, CpuShares: 512 });
    expect(isChanging("web")).toBe(false);
  });

  test("go back when something else of the update fails", async () => {
    const id = await host.started("web", { HostConfig: { NetRateIn: 1000 } });
    host.network.failing = "limit bridge 5000";
    expect((await update("web", { PidsLimit: 7, Networking: { RateIn: 5000 } })).status).toBe(500);
    expect(limits(id).map(({ pids }) => pids?.limit)).toEqual([7n, -1n]);
    expect(host.store.find("web").host.PidsLimit).toBeNull();
  });

  test("that the kernel may not have are mended by the next daemon, once", async () => {
    const id = await host.started("web", limited);
    const task = host.tasks.running.get(id);
    if (task === undefined) throw new Error("it does not run");
    // Killed after the row was written, and before the kernel was told.
    task.failLimit = () => new Error("killed");
    await update("web", { CpuShares: 99 });
    expect(isChanging("web")).toBe(true);
    task.failLimit = () => undefined;
    const container = host.store.find("web");
    await mendLimits({ store: host.store, log: NO_LOG }, container, task);
    expect(limits(id).at(-1)).toEqual({
      memory: { limit: BigInt(64 * MB), swap: BigInt(128 * MB), reservation: -1n },
      cpu: { shares: 512, quota: -1n, period: 100_000 },
      pids: { limit: -1n },
    });
    const told = limits(id).length;
    await mendLimits({ store: host.store, log: NO_LOG }, container, task);
    expect(limits(id)).toHaveLength(told);
  });

  test("are refused in Docker's words", async () => {
    await host.started("web", limited);
    await host.started("free");
    await host.started("slow", { HostConfig: { CpuQuota: 5000 } });
    await host.started("fast", { HostConfig: { NanoCpus: 1e9 } });
    const cases: [string, unknown, number, string][] = [
      ["web", { Memory: MB }, 400, "Minimum memory limit allowed is 6MB"],
      [
        "web",
        { Memory: 50 * MB, MemorySwap: 10 * MB },
        400,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
      ],
      [
        "web",
        { Memory: 50 * MB, MemoryReservation: 60 * MB },
        400,
        "Minimum memory limit can not be less than memory reservation limit, see usage",
      ],
      [
        "free",
        { Memory: 50 * MB },
        409,
        "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
      ],
      [
        "web",
        { NanoCpus: 5e9 },
        400,
        "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
      ],
      ["web", { NanoCpus: 1e9, CpuQuota: 5000 }, 400, "Nano CPUs and CPU Quota cannot both be set"],
      [
        "slow",
        { NanoCpus: 1e9 },
        409,
        "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
      ],
      [
        "fast",
        { CpuPeriod: 5000 },
        409,
        "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
      ],
      ["web", { CpusetCpus: "9" }, 400, "Requested CPUs are not available - requested 9, available: 0-1"],
      [
        "web",
        { CpusetMems: "3" },
        400,
        "Requested memory nodes are not available - requested 3, available: 0",
      ],
      ["web", { CpusetCpus: "x" }, 400, "Invalid value x for cpuset cpus: invalid format: x"],
      ["web", { BlkioWeight: 5 }, 400, "Range of blkio weight is from 10 to 1000"],
    ];
    for (const [name, body, status, message] of cases)
      expect(await update(name, body)).toMatchObject({
        status,
        json: { message: expect.stringContaining(message) },
      });
    expect(host.actions()).not.toContain("update");
  });
});

describe("rates", () => {
  const limited = { HostConfig: { NetRateIn: 1_000_000, NetRateOut: 2_000_000 } };
  const limits = (): string[] => host.network.deeds.filter((deed) => /^(limit|retire)/.test(deed));
  const rates = (name: string) =>
    host.network.parts.networks.endpointsIn(host.store.find(name).id).map((endpoint) => endpoint.rates);

  test("are a container's from its start, in every network", async () => {
    await post("/networks/create", { Name: "front" });
    await host.started("web", limited);
    await post("/networks/front/connect", { Container: "web" });
    const both = { inBits: 1_000_000, outBits: 2_000_000 };
    expect(rates("web")).toEqual([both, both]);
    expect(host.store.find("web").host).toMatchObject(limited.HostConfig);
    expect((await host.call("GET", "/containers/web/json")).json).toMatchObject(limited);
    await post("/containers/web/stop");
    await host.store.find("web").settling;
    expect(limits()).toEqual(["retire bridge", "retire front"]);
  });

  test("change while it runs, one by one, and for its next start", async () => {
    await host.started("web");
    expect(rates("web")).toEqual([undefined]);
    expect((await networking("web", { RateOut: 3_000_000 })).json).toEqual({ Warnings: null });
    expect((await networking("web", { RateIn: 8 })).status).toBe(200);
    expect((await networking("web", { RateIn: 8 })).status).toBe(200);
    expect(limits()).toEqual(["limit bridge 0 3000000", "limit bridge 8 3000000"]);
    stored("web");
    await networking("web", { RateIn: 0, RateOut: 0 });
    expect(limits().at(-1)).toBe("limit bridge 0 0");
    expect(rates("web")).toEqual([{ inBits: 0, outBits: 0 }]);
    expect((await host.call("GET", "/containers/web/json")).text).not.toContain("NetRate");
    await post("/containers/web/stop");
    await host.store.find("web").settling;
    expect(limits().at(-1)).toBe("retire bridge");
    await networking("web", { RateIn: 9 });
    await post("/containers/web/start");
    expect(rates("web")).toEqual([{ inBits: 9, outBits: 0 }]);
  });

  test("are as they were, and ports too, when the kernel refuses", async () => {
    await host.started("web", limited);
    host.network.failing = "limit bridge 5000";
    const refused = await networking("web", { RateIn: 5000, PublishAdd: published("8080") });
    expect(refused.status).toBe(500);
    expect(limits()).toEqual(["limit bridge 5000 2000000", "limit bridge 1000000 2000000"]);
    expect(rates("web")).toEqual([{ inBits: 1_000_000, outBits: 2_000_000 }]);
    expect(host.store.find("web").host).toMatchObject({ ...limited.HostConfig, PortBindings: null });
    expect(led()).toEqual([]);
    await host.started("twin", { HostConfig: { PortBindings: published("8080") } });
  });

  test("of one that ends meanwhile are taken away", async () => {
    const id = await host.started("web", limited);
    host.network.onDeed = (deed) => {
      if (deed.startsWith("limit")) host.tasks.running.get(id)?.exit(0);
    };
    expect((await networking("web", { RateIn: 5000 })).status).toBe(200);
    await host.store.find("web").settling;
    // By the one who leaves, and by the one who may have limited him after that.
    expect(limits()).toEqual(["limit bridge 5000 2000000", "retire bridge", "retire bridge"]);
    expect(host.store.find("web").host.NetRateIn).toBe(5000);
  });

  test("are refused where there is nothing to limit", async () => {
    await post("/networks/create", { Name: "front", Driver: "macvlan" });
    const cases: [Readonly<Record<string, unknown>>, number, string][] = [
      [{ NetRateIn: 7 }, 400, "invalid NetRateIn 7: bits per second, at least 8, or 0 for no limit"],
      [{ NetRateOut: -1 }, 400, "invalid NetRateOut -1"],
      [{ NetRateIn: 8, NetworkMode: "host" }, 400, "network rates and the host type network mode"],
      [
        { NetRateOut: 8, NetworkMode: "front" },
        501,
        `NetRateIn and NetRateOut are not supported in network front: the driver \\"macvlan\\" cannot limit rates`,
      ],
    ];
    for (const [HostConfig, status, message] of cases) {
      const answer = await post("/containers/create", { Image: "busybox", HostConfig });
      expect(answer.status).toBe(status);
      expect(answer.text).toContain(message);
    }
    await host.started("low", { HostConfig: { NetworkMode: "front" } });
    expect((await networking("low", { RateIn: 8000 })).status).toBe(501);
    await host.started("web", limited);
    expect((await post("/networks/front/connect", { Container: "web" })).status).toBe(501);
    await host.started("bare", { HostConfig: { NetworkMode: "host" } });
    expect((await networking("bare", { RateIn: 8000 })).text).toContain("network rates and the host type");
    expect((await networking("bare", { RateIn: 0 })).status).toBe(200);
  });
});
