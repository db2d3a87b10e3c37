/**
 * A host with a neighbour on its LAN and containers on bridges, each a network namespace. Everybody serves port 80 (TCP, both
 * versions of IP), where he says whom he sees. Links are made with `ip`, so that the lab stands on nothing that it tests.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkNamespace } from "./network-namespace.ts";

export interface LabBridge {
  /** "br-a" */
  readonly name: string;
  /** Its addresses are 10.NUMBER.0.1 and fd00:NUMBER::1, its containers' the next ones. */
  readonly number: number;
  readonly containers: readonly string[];
  /** Containers cannot talk to each other past the host. */
  readonly isolated?: boolean;
}

const UDP = join(import.meta.dirname, "udp-probe.ts");

/** Nobody waits for whether his IPv6 addresses are somebody else's. */
const AT_ONCE: readonly string[] = [
  "ip link set lo up",
  ...["default", "all"].map((links) => `echo 0 >/proc/sys/net/ipv6/conf/${links}/accept_dad`),
];

/** The host is 192.0.2.1 and 2001:db8::1, its neighbour the next ones, with routes to the containers by way of the host. */
export class NetworkLab implements Disposable {
  readonly #namespaces = new Map<string, NetworkNamespace>();
  readonly #servers: ChildProcess[] = [];
  readonly #files = mkdtempSync(join(tmpdir(), "gantry-lab-"));

  static async make(bridges: readonly LabBridge[]): Promise<NetworkLab> {
    const lab = new NetworkLab();
    try {
      const names = ["host", "lan", ...bridges.flatMap(({ containers }) => containers)];
      await Promise.all(names.map(async (name) => lab.#namespaces.set(name, await NetworkNamespace.make())));
      await lab.#connect(bridges);
      await lab.#serve(names);
      return lab;
    } catch (error) {
      lab[Symbol.dispose]();
      throw error;
    }
  }

  at(name: string): NetworkNamespace {
    const namespace = this.#namespaces.get(name);
    if (namespace === undefined) throw new Error(`nobody is called ${name}`);
    return namespace;
  }

  #pathOf(name: string): string {
    return `/proc/${process.pid}/fd/${this.at(name).fd}`;
  }

  async sh(name: string, script: string): Promise<string> {
    return this.at(name).run("sh", "-c", script);
  }

  async #must(name: string, lines: readonly string[]): Promise<void> {
    const text = await this.sh(name, `set -e\n${lines.join("\n")}`);
    if (/exit \d+$/.test(text)) throw new Error(`${name}: ${text}`);
  }

  async #connect(bridges: readonly LabBridge[]): Promise<void> {
    const others = ["lan", ...bridges.flatMap(({ containers }) => containers)];
    await Promise.all(others.map((name) => this.#must(name, AT_ONCE)));
    await this.#must("host", [
      ...AT_ONCE,
      `ip link add eth0 type veth peer name eth0 netns ${this.#pathOf("lan")}`,
      "ip addr add 192.0.2.1/24 dev eth0",
      "ip addr add 2001:db8::1/64 dev eth0 nodad",
      "ip link set eth0 up",
      "echo 1 >/proc/sys/net/ipv4/ip_forward",
      "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding",
      ...bridges.flatMap((bridge) => this.#bridgeLines(bridge)),
    ]);
    await this.#must("lan", [
      "ip addr add 192.0.2.2/24 dev eth0",
      "ip addr add 2001:db8::2/64 dev eth0 nodad",
      "ip link set eth0 up",
      "ip route add 10.0.0.0/8 via 192.0.2.1",
      "ip -6 route add fd00::/8 via 2001:db8::1",
    ]);
    await Promise.all(
      bridges.flatMap(({ number, containers }) =>
        containers.map((name, index) =>
          this.#must(name, [
            `ip addr add 10.${number}.0.${index + 2}/24 dev eth0`,
            `ip addr add fd00:${number}::${index + 2}/64 dev eth0 nodad`,
            "ip link set eth0 up",
            `ip route add default via 10.${number}.0.1`,
            `ip -6 route add default via fd00:${number}::1`,
          ]),
        ),
      ),
    );
  }

  #bridgeLines({ name, number, containers, isolated = false }: LabBridge): readonly string[] {
    return [
      `ip link add ${name} type bridge`,
      `ip addr add 10.${number}.0.1/24 dev ${name}`,
      `ip addr add fd00:${number}::1/64 dev ${name} nodad`,
      `ip link set ${name} up`,
      `echo 1 >/proc/sys/net/ipv4/conf/${name}/route_localnet`,
      ...containers.flatMap((container) => [
        `ip link add gv-${container} type veth peer name eth0 netns ${this.#pathOf(container)}`,
        `ip link set gv-${container} master ${name} up`,
        ...(isolated ? [`ip link set gv-${container} type bridge_slave isolated on`] : []),
      ]),
    ];
  }

  async #serve(names: readonly string[]): Promise<void> {
    mkdirSync(join(this.#files, "cgi-bin"));
    const who = join(this.#files, "cgi-bin", "who");
    writeFileSync(who, "#!/bin/sh\nprintf 'Content-type: text/plain\\r\\n\\r\\n%s' \"$REMOTE_ADDR\"\n");
    chmodSync(who, 0o755);
    for (const name of names) this.serve(name, "80");
    await Promise.all(
      names.map(async (name) => {
        while ((await this.ask(name, "127.0.0.1", 80)) === "-");
      }),
    );
  }

  /** Whether bridged packets pass the filters, too (br_netfilter). Then ports must also send back to whom something came from. */
  async filterBridged(isWanted: boolean): Promise<void> {
    const containers = [...this.#namespaces.keys()].filter((name) => name !== "host" && name !== "lan");
    const hairpin = isWanted ? "on" : "off";
    await this.#must("host", [
      `for f in /proc/sys/net/bridge/bridge-nf-call-ip*; do echo ${isWanted ? 1 : 0} >$f; done`,
      ...containers.map((name) => `ip link set gv-${name} type bridge_slave hairpin ${hairpin}`),
    ]);
  }

  /** Port 80 everywhere, and elsewhere on wish: "127.0.0.11:5300". */
  serve(name: string, place: string): void {
    this.start(name, "busybox", "httpd", "-f", "-p", place, "-h", this.#files);
  }

  /** Something that runs there until the lab ends. */
  start(name: string, ...command: readonly string[]): void {
    this.#servers.push(spawn("nsenter", [`--net=${this.#pathOf(name)}`, ...command], { stdio: "ignore" }));
  }

  /** Whom the server that answers there sees; "-" when nobody does within a second. */
  async ask(from: string, address: string, port: number): Promise<string> {
    const host = address.includes(":") ? `[${address}]` : address;
    const text = await this.at(from).run(
      "busybox",
      "timeout",
      "1",
      "busybox",
      "wget",
      "-q",
      "-O",
      "-",
      `http://${host}:${port}/cgi-bin/who`,
    );
    return /^[0-9a-f.:\][]+$/.test(text) ? text.replaceAll(/[[\]]/g, "").replace(/^::ffff:/, "") : "-";
  }

  /** Answers to UDP from now on, once that is so. */
  async serveUdp(name: string, address: string, port: number): Promise<void> {
    this.start(name, process.execPath, UDP, "serve", address, `${port}`);
    while ((await this.askUdp(name, address, port)) === "-");
  }

  async askUdp(from: string, address: string, port: number): Promise<string> {
    const text = await this.at(from).run(process.execPath, UDP, "ask", address, `${port}`);
    return /exit \d+$/.test(text) ? "-" : text.trim();
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) server.kill("SIGKILL");
    for (const namespace of this.#namespaces.values()) namespace[Symbol.dispose]();
    rmSync(this.#files, { recursive: true });
  }
}
