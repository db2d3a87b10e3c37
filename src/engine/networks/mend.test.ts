import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { ApiHost } from "../../api/testing/api-host.ts";
import { NO_LOG } from "../../base/log.ts";
import { Networks } from "../../core/network/networks.ts";
import type { Task } from "../../core/tasks/tasks.ts";
import type { Container } from "../containers/container.ts";
import { NO_WISHES } from "./attachments.ts";
import { enterNetwork } from "./join.ts";
import { mendNetworks } from "./mend.ts";
import { placesOf } from "./places.ts";
import { adoptNetworks } from "./restore-networks.ts";

let host: ApiHost;
let container: Container;

beforeEach(async () => {
  host = await ApiHost.start();
  await host.call("POST", "/networks/create", { Name: "front" });
  await host.create("web", { HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } });
  await host.call("POST", "/containers/web/start");
  container = host.store.find("web");
  host.network.deeds.length = 0;
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
});

const networks = (): Networks => host.network.parts.networks;
const filesOf = (name: string): string => `${host.directory}/containers/${container.id}/${name}`;

function task(): Task {
  if (container.task === undefined) throw new Error("it does not run");
  return container.task;
}

/** A connect that was cut off: the attachment, and the endpoint, too. */
function begun(has: "attachment" | "endpoint", priority = 0): void {
  const network = networks().find("front");
  const config = { ...NO_WISHES, GwPriority: priority };
  const attachment = { container: container.id, network: "front", networkId: network.id, config };
  networks().beginChange(container.id);
  networks().attach(attachment, "durable");
  if (has === "endpoint") enterNetwork({ network: host.network.parts }, container, { network, attachment });
}

const mend = (): Promise<void> => mendNetworks(host.deps, container, task());
const isStoredAsChanging = (): boolean => new Networks(host.metadata, NO_LOG).isChanging(container.id);

test("what has no endpoint has not come", async () => {
  begun("attachment");
  expect(isStoredAsChanging()).toBe(true);
  await mend();
  expect(
    networks()
      .attachments(container.id)
      .map(({ network }) => network),
  ).toEqual(["bridge"]);
  expect(host.network.deeds).toEqual(["mend eth0", "route eth0"]);
  expect(isStoredAsChanging()).toBe(false);
});

test("what has an endpoint is there, with routes, ports and files", async () => {
  begun("endpoint", 5);
  const before = readFileSync(filesOf("hosts"), "utf8");
  // Of what was there before, and of what the container wrote.
  writeFileSync(filesOf("hosts"), `${before}172.30.0.2\t${container.config.Hostname}\n10.0.0.1\tdb\n`);
  await mend();
  expect(host.network.deeds).toEqual(["mend eth0 eth1", "route eth1"]);
  expect(placesOf(networks(), container.id).map(({ endpoint }) => endpoint.ports.length)).toEqual([0, 2]);
  await host.network.parts.firewall.apply();
  expect(host.network.firewall.publications).toMatchObject([{ hostPort: 8080, containerIp: "172.18.0.2" }]);
  const hosts = readFileSync(filesOf("hosts"), "utf8");
  expect(hosts).toContain(
    `172.17.0.2\t${container.config.Hostname}\n172.18.0.2\t${container.config.Hostname}\n`,
  );
  expect(hosts).toContain("10.0.0.1\tdb\n");
  expect(hosts).not.toContain("172.30.0.2");
  expect(readFileSync(filesOf("resolv.conf"), "utf8")).toContain("nameserver 127.0.0.11");
});

test("a file that the container has written to stays", async () => {
  begun("endpoint");
  writeFileSync(filesOf("resolv.conf"), "nameserver 10.0.0.1\n");
  await mend();
  expect(readFileSync(filesOf("resolv.conf"), "utf8")).toBe("nameserver 10.0.0.1\n");
});

test("its questions are asked anew, as nobody knows where they are sent to", async () => {
  begun("endpoint");
  for (const name of ["dns-udp", "dns-tcp"]) await task().keep(name, 100);
  const deps = { ...host.deps, predefine: host.network.predefine, sweepLinks: () => Promise.resolve() };
  await adoptNetworks(deps, container, task());
  expect(host.network.deeds.filter((deed) => deed.startsWith("discard"))).toEqual([
    "discard dns-udp",
    "discard dns-tcp",
  ]);
  expect(host.network.views.has(container.id)).toBe(true);
  host.network.deeds.length = 0;
  await adoptNetworks(deps, container, task());
  expect(host.network.deeds.filter((deed) => deed.startsWith("discard"))).toEqual([]);
});

test("what the kernel refuses is to be mended yet", async () => {
  begun("endpoint");
  host.network.failing = "mend";
  expect(await mend().catch((error: unknown) => String(error))).toContain("cannot mend");
  expect(isStoredAsChanging()).toBe(true);
});
