/** Networks that keep containers from others: internal ones, `icc=false`, the default bridge, containers that come and go. */
import { HOST, NEIGHBOUR } from "../neighbour.ts";
import { IMAGE, type Question, type World } from "../world.ts";

const PORT = 7000;

/** Until the kernel has taken an ended container's namespace apart, its address still answers: with a refusal. */
const DYING_MS = 1000;

function asked(
  what: string,
  rows: readonly (readonly [from: string, address: string, port: number])[],
): Question[] {
  return rows.map(([from, address, port]) => ({
    key: `${what}: from ${from} at ${address}:${port}`,
    from,
    address,
    port,
  }));
}

export async function reach(world: World): Promise<void> {
  await Promise.all([
    world.serve("neighbour", "who-server.ts", `${PORT}`),
    world.serve("host", "who-server.ts", `${PORT}`),
  ]);
  await world.network("lan-front", "--subnet", "10.81.1.0/24");
  await inner(world);
  await apart(world);
  await outward(world);
  await defaultBridge(world);
  await comingAndGoing(world);
  await otherModes(world);
}

async function inner(world: World): Promise<void> {
  await world.network("lan-inner", "--internal", "--subnet", "10.81.3.0/24");
  await Promise.all([
    world.container("lan-in", "--network", "lan-inner", "--ip", "10.81.3.10", "-p", "8380:80"),
    world.container("lan-in2", "--network", "lan-inner", "--ip", "10.81.3.11"),
    world.container("lan-front1", "--network", "lan-front", "--ip", "10.81.1.10", "-p", "8381:80"),
  ]);
  await world.askAll(
    asked("internal", [
      ["lan-in2", "10.81.3.10", 80],
      ["lan-in2", "10.81.3.1", PORT],
      ["lan-in2", HOST.ipv4, PORT],
      ["lan-in2", NEIGHBOUR.ipv4, PORT],
      ["lan-in2", "10.81.1.10", 80],
      ["lan-in2", HOST.ipv4, 8381],
      ["lan-in2", "10.81.3.1", 8381],
      ["lan-front1", "10.81.3.10", 80],
      ["lan-front1", HOST.ipv4, 8380],
      ["host", "10.81.3.10", 80],
      ["host", "127.0.0.1", 8380],
      ["neighbour", HOST.ipv4, 8380],
      ["neighbour", "10.81.3.10", 80],
    ]),
  );
  await world.say("internal: port", "port", "lan-in");
  await world.say("internal: routes", "exec", "lan-in", "ip", "route");
}

async function apart(world: World): Promise<void> {
  await world.network(
    "lan-apart",
    "--subnet",
    "10.81.4.0/24",
    "-o",
    "com.docker.network.bridge.enable_icc=false",
  );
  await Promise.all([
    world.container("lan-alone", "--network", "lan-apart", "--ip", "10.81.4.10", "-p", "8480:80"),
    world.container("lan-alone2", "--network", "lan-apart", "--ip", "10.81.4.11"),
  ]);
  await world.askAll(
    asked("icc=false", [
      ["lan-alone2", "10.81.4.10", 80],
      ["lan-alone2", "10.81.4.10", 81],
      ["lan-alone2", HOST.ipv4, 8480],
      ["lan-alone2", "10.81.4.1", 8480],
      ["lan-alone2", NEIGHBOUR.ipv4, PORT],
      ["lan-front1", HOST.ipv4, 8480],
      ["host", "10.81.4.11", 80],
      ["neighbour", HOST.ipv4, 8480],
    ]),
  );
}

async function outward(world: World): Promise<void> {
  const option = (name: string, value: string) => ["-o", `com.docker.network.bridge.${name}=${value}`];
  await world.network("lan-bare", "--subnet", "10.81.5.0/24", ...option("enable_ip_masquerade", "false"));
  await world.network("lan-bound", "--subnet", "10.81.7.0/24", ...option("host_binding_ipv4", "127.0.0.1"));
  await world.network("lan-six", "--ipv6", "--subnet", "10.81.6.0/24", "--subnet", "fd00:81:6::/64");
  await Promise.all([
    world.container("lan-bare", "--network", "lan-bare", "--ip", "10.81.5.10", "-p", "8580:80"),
    world.container("lan-bound", "--network", "lan-bound", "--ip", "10.81.7.10", "-p", "8581:80"),
    world.container("lan-six", "--network", "lan-six", "--ip", "10.81.6.10", "--ip6", "fd00:81:6::10"),
  ]);
  await world.askAll([
    ...asked("out", [
      ["lan-front1", NEIGHBOUR.ipv4, PORT],
      ["lan-front1", HOST.ipv4, PORT],
      ["lan-six", NEIGHBOUR.ipv4, PORT],
      ["lan-six", NEIGHBOUR.ipv6, PORT],
      ["lan-front1", NEIGHBOUR.ipv6, PORT],
    ]),
    ...asked("no masquerade", [
      ["lan-bare", NEIGHBOUR.ipv4, PORT],
      ["neighbour", HOST.ipv4, 8580],
      ["host", "127.0.0.1", 8580],
      ["lan-bare", HOST.ipv4, 8580],
    ]),
    ...asked("host_binding_ipv4", [
      ["neighbour", HOST.ipv4, 8581],
      ["host", "127.0.0.1", 8581],
    ]),
  ]);
  await world.say("host_binding_ipv4: port", "port", "lan-bound");
}

async function defaultBridge(world: World): Promise<void> {
  await Promise.all([world.container("lan-default", "-p", "8680:80"), world.container("lan-default2")]);
  const address = await world.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "lan-default");
  const own = await world.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "lan-default2");
  const rows = [
    ["lan-default2", address, 80],
    ["lan-default2", HOST.ipv4, 8680],
    ["lan-default2", "10.81.1.10", 80],
    ["lan-front1", address, 80],
    ["lan-front1", HOST.ipv4, 8680],
    ["neighbour", HOST.ipv4, 8680],
    ["neighbour", own, 80],
    ["host", address, 80],
  ] as const;
  for (const [from, to, port] of rows) {
    const name = (text: string) => text.replace(address, "ITS ADDRESS").replace(own, "THE OTHER'S ADDRESS");
    world.observe(
      `default bridge: from ${from} at ${name(to)}:${port}`,
      name(await world.ask({ from, address: to, port })),
    );
  }
}

async function comingAndGoing(world: World): Promise<void> {
  await world.network("lan-second", "--subnet", "10.81.8.0/24");
  await world.container("lan-moves", "--network", "lan-front", "--ip", "10.81.1.20", "-p", "8780:80");
  await world.container("lan-waits", "--network", "lan-second", "--ip", "10.81.8.10");
  const look = async (when: string, isInSecond: boolean) =>
    world.askAll(
      asked(when, [
        ["neighbour", HOST.ipv4, 8780],
        ["host", "127.0.0.1", 8780],
        ["lan-waits", HOST.ipv4, 8780],
        ...(isInSecond ? [["lan-waits", "10.81.8.20", 80] as const] : []),
        ["lan-front1", "10.81.1.20", 80],
      ]),
    );
  await look("1 as it began", false);
  await world.ok("network", "connect", "--ip", "10.81.8.20", "lan-second", "lan-moves");
  await look("2 connected to a second network", true);
  await world.ok("network", "disconnect", "lan-front", "lan-moves");
  await look("3 disconnected from the first", true);
  await world.say("3 disconnected from the first: port", "port", "lan-moves");
  await world.ok("network", "connect", "--ip", "10.81.1.20", "lan-front", "lan-moves");
  await look("4 connected to the first again", true);
  await world.ok("stop", "-t", "0", "lan-moves");
  await Bun.sleep(DYING_MS);
  await look("5 stopped", false);
  await world.say("5 stopped: port", "port", "lan-moves");
  await world.ok("start", "lan-moves");
  await world.untilServing("lan-moves");
  await look("6 started again", true);
  await world.ok("pause", "lan-moves");
  await look("7 paused", true);
  await world.ok("unpause", "lan-moves");
  await world.ok("rm", "-f", "lan-moves");
  await Bun.sleep(DYING_MS);
  await look("8 removed", false);
}

async function otherModes(world: World): Promise<void> {
  const run = ["run", "--rm", "-p", "8880:80"] as const;
  await world.say("-p in the host's network", ...run, "--network", "host", IMAGE, "true");
  await world.say("-p without a network", ...run, "--network", "none", IMAGE, "true");
  await world.say(
    "-p in another container's network",
    ...run,
    "--network",
    "container:lan-front1",
    IMAGE,
    "true",
  );
  await world.say("-P in the host's network", "run", "--rm", "-P", "--network", "host", IMAGE, "true");
  await world.say("--ip in the default bridge", "run", "--rm", "--ip", "172.17.0.77", IMAGE, "true");
  await world.container("lan-host", "--network", "host", "-e", "X=1");
  await world.askAll(
    asked("in the host's network", [
      ["neighbour", HOST.ipv4, 80],
      ["lan-front1", "10.81.1.1", 80],
    ]),
  );
}
