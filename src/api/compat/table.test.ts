import { expect, test } from "bun:test";
import { decodeContainerCreate } from "../../specs/engine/container.decode.ts";
import { ANSWER_CHANGES, answerFor, CREATE_CHANGES, createRequestFor } from "./table.ts";

const INFO = {
  ContainerdCommit: { ID: "" },
  RuncCommit: { ID: "abc" },
  InitCommit: { ID: "abc" },
  RegistryConfig: { Mirrors: [] },
  FirewallBackend: { Driver: "nftables" },
  SecurityOptions: ["name=seccomp,profile=builtin", "name=userns"],
};

const CONTAINER = {
  Id: "0123456789abcdef",
  Config: { Hostname: "host" },
  NetworkSettings: {
    Ports: {},
    Networks: {
      bridge: { GwPriority: 0, Aliases: null },
      front: { GwPriority: 7, Aliases: ["web", "host"] },
    },
  },
};

test("both tables begin with the newest change", () => {
  for (const table of [ANSWER_CHANGES, CREATE_CHANGES]) {
    const versions = table.map(({ since }) => since);
    expect(versions).toEqual(versions.toSorted((a, b) => b - a));
  }
});

test("the newest version gets an answer as it is", () => {
  for (const kind of ["container", "containerSummary", "info"] as const)
    expect(answerFor(kind, 51, CONTAINER)).toEqual(CONTAINER);
});

test("info names the firewall since 1.49, bridge settings before 1.50, and expected commits before 1.49", () => {
  expect(answerFor("info", 50, INFO)).toEqual(INFO);
  expect(answerFor("info", 49, INFO)).toEqual({ ...INFO, BridgeNfIptables: true, BridgeNfIp6tables: true });
  const older = answerFor("info", 48, INFO);
  expect(older["FirewallBackend"]).toBeUndefined();
  expect(older["RuncCommit"]).toEqual({ ID: "abc", Expected: "abc" });
  expect(older["RegistryConfig"]).toEqual({
    AllowNondistributableArtifactsCIDRs: null,
    AllowNondistributableArtifactsHostnames: null,
    Mirrors: [],
  });
});

test("info of 1.24 has bare security options", () => {
  expect(answerFor("info", 25, INFO)["SecurityOptions"]).toEqual(INFO.SecurityOptions);
  expect(answerFor("info", 24, INFO)).toMatchObject({
    SecurityOptions: ["seccomp", "userns"],
    ExecutionDriver: "<not supported>",
  });
});

test("endpoints have no priority before 1.48, and the short id among the aliases before 1.45", () => {
  expect(answerFor("container", 48, CONTAINER)).toEqual(CONTAINER);
  expect(answerFor("container", 47, CONTAINER)["NetworkSettings"]).toEqual({
    Ports: {},
    Networks: { bridge: { Aliases: null }, front: { Aliases: ["web", "host"] } },
  });
  expect(answerFor("container", 44, CONTAINER)["NetworkSettings"]).toEqual({
    Ports: {},
    Networks: { bridge: { Aliases: null }, front: { Aliases: ["web", "host", "0123456789ab"] } },
  });
});

test("a network may be called as anything that objects have", () => {
  const networks: Record<string, object> = JSON.parse('{"__proto__":{"GwPriority":1},"constructor":{}}');
  const answer = answerFor("containerSummary", 45, { NetworkSettings: { Networks: networks } });
  expect(JSON.stringify(answer)).toContain('"Networks":{"__proto__":{},"constructor":{}}');
});

test("lists have annotations since 1.46", () => {
  const summary = { HostConfig: { NetworkMode: "bridge", Annotations: { a: "b" } } };
  expect(answerFor("containerSummary", 46, summary)["HostConfig"]).toEqual(summary.HostConfig);
  expect(answerFor("containerSummary", 45, summary)["HostConfig"]).toEqual({ NetworkMode: "bridge" });
});

test("create keeps from older clients what they cannot have meant", () => {
  const request = decodeContainerCreate({
    Healthcheck: { Test: ["NONE"], StartInterval: 5 },
    HostConfig: {
      AutoRemove: true,
      Annotations: { a: "b" },
      ConsoleSize: [4, 5],
      DeviceRequests: [{ Count: -1 }],
      Mounts: [
        {
          Type: "bind",
          Source: "/a",
          Target: "/b",
          BindOptions: { NonRecursive: true, CreateMountpoint: true, ReadOnlyForceRecursive: true },
        },
      ],
    },
  });
  const asked = (minor: number) => createRequestFor(minor, request);
  expect(asked(44)).toEqual(request);
  expect(asked(43).config.Healthcheck?.StartInterval).toBe(0);
  expect(asked(43).host.Mounts?.[0]?.BindOptions).toMatchObject({
    NonRecursive: true,
    CreateMountpoint: true,
    ReadOnlyNonRecursive: true,
    ReadOnlyForceRecursive: false,
  });
  expect([asked(43).host.Annotations, asked(42).host.Annotations]).toEqual([{ a: "b" }, null]);
  expect([asked(42).host.ConsoleSize, asked(41).host.ConsoleSize]).toEqual([
    [4, 5],
    [0, 0],
  ]);
  expect(asked(41).host.Mounts?.[0]?.BindOptions?.CreateMountpoint).toBe(false);
  expect(asked(40).host.DeviceRequests?.length).toBe(1);
  expect(asked(39).host).toMatchObject({ DeviceRequests: null, IpcMode: "shareable", AutoRemove: true });
  expect(asked(39).host.Mounts?.[0]?.BindOptions?.NonRecursive).toBe(false);
  expect(asked(24).host.AutoRemove).toBe(false);
});

test("mounts that an API version has not are refused to its clients", () => {
  const asked = (minor: number, mount: Readonly<Record<string, unknown>>) => () =>
    createRequestFor(minor, decodeContainerCreate({ HostConfig: { Mounts: [{ Target: "/x", ...mount }] } }));
  const image = { Type: "image", Source: "a" };
  expect(asked(48, image)).not.toThrow();
  expect(asked(47, image)).toThrow('Mount type "Image" needs API v1.48 or newer');
  const part = { Type: "volume", Source: "a", VolumeOptions: { Subpath: "b" } };
  expect(asked(45, part)).not.toThrow();
  expect(asked(44, part)).toThrow("VolumeOptions.Subpath needs API v1.45 or newer");
});
