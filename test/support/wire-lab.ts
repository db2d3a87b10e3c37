/** An engine whose host has an interface `wire`, and a neighbour at the other end of it who is the way out, too. */
import { afterAll, beforeAll } from "bun:test";
import type { Engine } from "./engine.ts";
import { NetworkNamespace } from "./network-namespace.ts";
import type { Requirement } from "./requires.ts";
import { must } from "./run.ts";
import { engineSuite } from "./suite.ts";
import { SLOWNESS } from "./until.ts";

export const NEIGHBOUR = { ipv4: "10.77.0.200", ipv6: "fd00:77::200" } as const;
export const SUBNETS = ["--subnet", "10.77.0.0/24", "--gateway", NEIGHBOUR.ipv4];
export const WITH_IPV6 = [...SUBNETS, "--ipv6", "--subnet", "fd00:77::/64", "--gateway", NEIGHBOUR.ipv6];
export const SERVE = ["busybox", "sh", "-c", "mkdir /w; hostname >/w/index.html; exec httpd -f -p 80 -h /w"];

export class WireLab {
  readonly #engine: () => Engine;
  #neighbour: NetworkNamespace | undefined;

  constructor(engine: () => Engine) {
    this.#engine = engine;
  }

  async raise(): Promise<void> {
    // What the daemon makes for the first question for a name, it keeps.
    await this.ok("network", "create", "first");
    await this.ok("run", "--rm", "--name", "first", "--network", "first", "busybox", "nslookup", "first");
    await this.ok("network", "rm", "first");
    this.#neighbour = await NetworkNamespace.make();
    await this.inHost("ip", "link", "set", "far", "netns", `${this.neighbour.pid}`);
    await this.neighbour.run(
      "sh",
      "-c",
      `set -e; ip addr add ${NEIGHBOUR.ipv4}/24 dev far; ip addr add ${NEIGHBOUR.ipv6}/64 dev far nodad; ip link set far up`,
    );
  }

  lower(): void {
    this.#neighbour?.[Symbol.dispose]();
  }

  get neighbour(): NetworkNamespace {
    if (this.#neighbour === undefined) throw new Error("there is no neighbour yet");
    return this.#neighbour;
  }

  ok(...words: string[]): Promise<string> {
    return this.#engine().ok(words);
  }

  async inHost(...command: string[]): Promise<string> {
    return (await must(await this.#engine().inHost(command))).trim();
  }

  linksOfHost(): Promise<string> {
    return this.inHost("ip", "-br", "link");
  }

  async macOfParent(): Promise<string> {
    return /^wire\S* +\S+ +(\S+)/m.exec(await this.linksOfHost())?.[1] ?? "none";
  }

  /** The network, "net", and everybody on it are gone in the end. */
  async onNetwork(words: readonly string[], work: () => Promise<void>): Promise<void> {
    // Containers of the next test have addresses of those of the last one, and not always their hardware addresses.
    await this.neighbour.run("ip", "neigh", "flush", "dev", "far");
    await this.ok("network", "create", ...words, "net");
    try {
      await work();
    } finally {
      const containers = (await this.ok("ps", "-aq")).split("\n").filter((id) => id !== "");
      if (containers.length > 0) await this.ok("rm", "-f", ...containers);
      await this.ok("network", "rm", "net");
    }
  }

  /** A container of that name and host name, on "net", that serves its name. */
  start(name: string, ...flags: string[]): Promise<string> {
    return this.ok("run", "-d", "--name", name, "--hostname", name, "--network", "net", ...flags, ...SERVE);
  }

  addressOf(name: string, field = "IPAddress"): Promise<string> {
    return this.ok("inspect", "-f", `{{(index .NetworkSettings.Networks "net").${field}}}`, name);
  }

  /** Whether one container reaches another, or an address. */
  async reaches(from: string, to: string): Promise<boolean> {
    return (await this.#engine().gantry(["exec", from, ...pingOf(to)])).code === 0;
  }

  async neighbourReaches(address: string): Promise<boolean> {
    return !/exit \d+$/.test(await this.neighbour.run("busybox", ...pingOf(address)));
  }

  /** What a container serves, as soon as it does. */
  async page(host: string): Promise<string> {
    const get = [
      "busybox",
      "timeout",
      `${2 * SLOWNESS}`,
      "busybox",
      "wget",
      "-q",
      "-O",
      "-",
      `http://${host}/`,
    ];
    let text = "";
    for (let attempt = 0; attempt < 20; attempt++) {
      text = await this.neighbour.run(...get);
      if (!/exit \S+$/.test(text)) break;
      await Bun.sleep(50);
    }
    return text;
  }
}

const pingOf = (address: string): string[] => [
  address.includes(":") ? "ping6" : "ping",
  "-c",
  "1",
  "-W",
  `${2 * SLOWNESS}`,
  address,
];

/** `body` defines the tests. `needs`: as `engineSuite` takes them. */
export function wireSuite(
  name: string,
  needs: readonly Requirement[],
  body: (lab: WireLab, engine: () => Engine) => void,
): void {
  const host = "ip link add wire type veth peer name far; ip link set wire up";
  engineSuite(name, { needs, host }, (engine) => {
    const lab = new WireLab(engine);
    beforeAll(() => lab.raise());
    afterAll(() => lab.lower());
    body(lab, engine);
  });
}
