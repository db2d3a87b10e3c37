/**
 * What the engine writes for programs that look up names by files: resolv.conf, hosts, hostname. Of hosts, lines that all
 * containers have are a matter of their own, and so is how resolv.conf's comment names servers of the host.
 */
import { IMAGE, plain, type World } from "../world.ts";

const FRONT = ["--network", "lan-front"] as const;
const NAMED = [...FRONT, "--ip", "10.81.1.30", "--hostname", "named"] as const;
const FQDN = [...NAMED, "--domainname", "example.test"] as const;
const SIX = [
  "--network",
  "lan-six",
  "--ip",
  "10.81.6.30",
  "--ip6",
  "fd00:81:6::30",
  "--hostname",
  "named",
] as const;

/** Of every container, before its own. */
const COMMON = /^(127\.0\.0\.1|::1|fe00::0?|ff00::0?|ff02::[12])\t/;
const OF_THE_ENGINE = /\thost\.docker\.internal$/;

export async function files(world: World): Promise<void> {
  await world.network("lan-front", "--subnet", "10.81.1.0/24");
  await world.network("lan-six", "--ipv6", "--subnet", "10.81.6.0/24", "--subnet", "fd00:81:6::/64");
  await world.network("lan-inner", "--subnet", "10.81.3.0/24", "--internal");
  await resolvConf(world);
  await hosts(world);
  await afterChanges(world);
  await links(world);
}

async function resolvConf(world: World): Promise<void> {
  const cases: readonly (readonly string[])[] = [
    [],
    ["--dns", "192.0.2.2"],
    ["--dns", "192.0.2.2", "--dns", "2001:db8::2"],
    ["--dns", "127.0.0.53"],
    ["--dns-search", "a.test", "--dns-search", "b.test"],
    ["--dns-search", "."],
    ["--dns-option", "ndots:2"],
    ["--dns-option", "ndots:-1"],
    ["--dns-option", "timeout:1", "--dns-option", "use-vc"],
    ["--dns", "nonsense"],
    ["--dns-search", "-nonsense-"],
  ];
  const networks = ["bridge", "lan-front"].flatMap((name) =>
    cases.map((flags) => ["--network", name, ...flags]),
  );
  const others = ["none", "host", "lan-six", "lan-inner"].map((name) => ["--network", name]);
  await Promise.all(
    [...networks, ...others, ["--network", "host", "--dns", "192.0.2.2"]].map(async (flags) =>
      observeFile(world, `resolv.conf, ${flags.join(" ")}`, "/etc/resolv.conf", [
        "run",
        "--rm",
        ...flags,
        IMAGE,
      ]),
    ),
  );
  const raw = await world.ok("run", "--rm", ...FRONT, IMAGE, "cat", "/etc/resolv.conf");
  world.observe("resolv.conf's comment about servers of the host", /ExtServers: .*/.exec(raw)?.[0] ?? "none");
}

async function hosts(world: World): Promise<void> {
  const cases: readonly (readonly string[])[] = [
    NAMED,
    FQDN,
    [...FRONT, "--ip", "10.81.1.30", "--hostname", "named.example.test"],
    [...NAMED, "--add-host", "other:192.0.2.9"],
    [...NAMED, "--add-host", "other=192.0.2.9", "--add-host", "other:192.0.2.10"],
    [...NAMED, "--add-host", "six:2001:db8::9"],
    [...NAMED, "--add-host", "six=[2001:db8::9]"],
    [...NAMED, "--add-host", "gate:host-gateway"],
    [...NAMED, "--add-host", "nonsense"],
    [...NAMED, "--add-host", "bad:1.2.3"],
    SIX,
    ["--network", "lan-inner", "--ip", "10.81.3.30", "--hostname", "named"],
    ["--network", "none", "--hostname", "named"],
    ["--network", "none", "--add-host", "gate:host-gateway", "--hostname", "named"],
  ];
  // One after the other: most have the same address.
  for (const flags of cases)
    await observeFile(world, `hosts, ${flags.join(" ")}`, "/etc/hosts", ["run", "--rm", ...flags, IMAGE]);
  for (const network of ["lan-front", "bridge", "lan-inner", "none"]) {
    const whole = await world.ok("run", "--rm", "--network", network, IMAGE, "cat", "/etc/hosts");
    const lines = whole.split("\n").filter((line) => COMMON.test(line) || OF_THE_ENGINE.test(line));
    world.observe(`hosts, --network ${network}, lines of every container`, plain(lines.join("\n")));
  }
  await world.say("hostname file", "run", "--rm", ...FQDN, IMAGE, "cat", "/etc/hostname");
  await world.say("hostname -f", "run", "--rm", ...FQDN, IMAGE, "hostname", "-f");
  await world.say(
    "--hostname in the host's network",
    "run",
    "--rm",
    "--network",
    "host",
    "--hostname",
    "x",
    IMAGE,
    "hostname",
  );
}

async function afterChanges(world: World): Promise<void> {
  await world.container("lan-named", ...FRONT, "--ip", "10.81.1.31", "--hostname", "named");
  const both = async (when: string) => {
    for (const name of ["hosts", "resolv.conf"])
      await observeFile(world, `${name} ${when}`, `/etc/${name}`, ["exec", "lan-named"]);
  };
  await world.ok(
    "network",
    "connect",
    "--ip",
    "10.81.6.31",
    "--ip6",
    "fd00:81:6::31",
    "lan-six",
    "lan-named",
  );
  await both("after connect");
  await world.ok("network", "disconnect", "lan-front", "lan-named");
  await both("after disconnect");
  const lines = "echo 192.0.2.77 mine >>/etc/hosts; echo '# mine' >>/etc/resolv.conf";
  await world.ok("exec", "lan-named", "sh", "-c", lines);
  await world.ok("network", "connect", "--ip", "10.81.1.31", "lan-front", "lan-named");
  await both("after a line of its own and connect");
  await world.ok("restart", "-t", "0", "lan-named");
  await both("after restart");
}

async function links(world: World): Promise<void> {
  await world.container("lan-default", "--hostname", "dolly");
  const address = await world.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "lan-default");
  const linked = await world.ok(
    "run",
    "--rm",
    "--link",
    "lan-default:sheep",
    "--hostname",
    "named",
    IMAGE,
    "cat",
    "/etc/hosts",
  );
  const names = linked.split("\n").find((line) => line.startsWith(`${address}\t`));
  world.observe("hosts, --link lan-default:sheep", plain(names ?? "none").replace(address, "ADDRESS"));
  await world.ok("network", "connect", "lan-front", "lan-default");
  await observeFile(world, "resolv.conf of the default bridge after connect", "/etc/resolv.conf", [
    "exec",
    "lan-default",
  ]);
}

async function observeFile(world: World, key: string, path: string, run: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await world.cli(...run, "cat", path);
  const own = stdout.split("\n").filter((line) => !COMMON.test(line) && !OF_THE_ENGINE.test(line));
  const text = own.join("\n").replaceAll(/\bhost\(([^)]+)\)/g, "$1");
  world.observe(key, code === 0 ? plain(text) : `${code}: ${plain(stderr)}`);
}
