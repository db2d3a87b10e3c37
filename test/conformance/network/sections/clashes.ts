/** Ports that cannot be had, and ports that nobody has chosen: what the user is told, and what is left. */
import { HOST } from "../neighbour.ts";
import { IMAGE, type World } from "../world.ts";

export async function clashes(world: World): Promise<void> {
  await world.network("lan-front", "--subnet", "10.81.1.0/24");
  await world.serve("host", "who-server.ts", "8990");
  await world.container(
    "lan-first",
    "--network",
    "lan-front",
    "--ip",
    "10.81.1.10",
    "-p",
    "8900:80",
    "-p",
    `${HOST.ipv4}:8901:80`,
  );
  await taken(world);
  await ranges(world);
  await anyPort(world);
  await grammar(world);
}

async function taken(world: World): Promise<void> {
  const cases: readonly string[] = [
    "8900:80",
    "127.0.0.1:8900:80",
    `${HOST.other}:8900:80`,
    "[::1]:8900:80",
    "8900:80/udp",
    `${HOST.ipv4}:8901:80`,
    `${HOST.other}:8901:80`,
    "8901:80",
    "8990:80",
    "8990:80/udp",
    "127.0.0.1:8990:80",
    "192.0.2.99:8902:80",
    "[2001:db8::99]:8902:80",
  ];
  for (const text of cases)
    await world.say(
      `run --rm -p ${text}`,
      "run",
      "--rm",
      "--name",
      "lan-run",
      "--network",
      "lan-front",
      "--ip",
      "10.81.1.11",
      "-p",
      text,
      IMAGE,
      "true",
    );
  world.expectContainer("lan-late");
  const flags = ["--name", "lan-late", "--network", "lan-front", "--ip", "10.81.1.11", "-p", "8900:80"];
  await world.say("run -d with a port that is taken", "run", "-d", ...flags, IMAGE);
  const state = "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}} {{json .NetworkSettings.Ports}}";
  await world.say("then its state", "inspect", "-f", state, "lan-late");
  await world.say("then start", "start", "lan-late");
  await world.ok("rm", "-f", "lan-first");
  await world.say("start when the port is free", "start", "lan-late");
  await world.untilServing("lan-late");
  world.observe(
    "start when the port is free, from the neighbour",
    await world.ask({ from: "neighbour", address: HOST.ipv4, port: 8900 }),
  );
  await world.ok("rm", "-f", "lan-late");
  await world.say(
    "rm -f of both, then the port in another container",
    "run",
    "--rm",
    "-p",
    "8900:80",
    IMAGE,
    "true",
  );
}

async function ranges(world: World): Promise<void> {
  for (const [index, name] of ["lan-r1", "lan-r2", "lan-r3"].entries()) {
    world.expectContainer(name);
    await world.say(
      `-p 8910-8911:80, container ${index + 1}`,
      "run",
      "-d",
      "--name",
      name,
      "-p",
      "8910-8911:80",
      IMAGE,
    );
    if (index < 2) await world.say(`-p 8910-8911:80, container ${index + 1}: port`, "port", name);
  }
  await world.container("lan-r4", "-p", "8920-8922:80-82");
  await world.say("-p 8920-8922:80-82: port", "port", "lan-r4");
  await world.say("-p 8920-8922:80-82: port of one", "port", "lan-r4", "81");
  await world.say("port of one that is not published", "port", "lan-r4", "99");
}

async function anyPort(world: World): Promise<void> {
  await world.container("lan-any", "-p", "80", "-p", "127.0.0.1::81", "-p", "82/udp", "-p", "0:82");
  await observePorts(world, "-p 80 -p 127.0.0.1::81 -p 82/udp -p 0:82", "lan-any");
  await world.container("lan-all", "-P", "--expose", "80", "--expose", "5300/udp", "--expose", "81-82");
  await observePorts(world, "-P --expose 80 --expose 5300/udp --expose 81-82", "lan-all");
  await world.container("lan-all2", "-P", "-p", "8930:80", "--expose", "81");
  await observePorts(world, "-P -p 8930:80 --expose 81", "lan-all2");
  const port = /:(\d+)$/m.exec(await world.ok("port", "lan-any", "80"))?.[1];
  world.observe(
    "-p 80 from the neighbour",
    await world.ask({ from: "neighbour", address: HOST.ipv4, port: Number(port) }),
  );
  const exposed = await world.ok("inspect", "-f", "{{json .NetworkSettings.Ports}}", "lan-r4");
  world.observe("inspect of -p 8920-8922:80-82", exposed);
  await world.container("lan-exposed", "--expose", "90");
  await world.say("--expose 90: inspect", "inspect", "-f", "{{json .NetworkSettings.Ports}}", "lan-exposed");
  await world.say("--expose 90: ps", "ps", "--filter", "name=lan-exposed", "--format", "{{.Ports}}");
}

/** Whether a chosen port is the same for both versions of IP counts, not its number. */
async function observePorts(world: World, key: string, container: string): Promise<void> {
  const seen = new Map<string, string>();
  const text = (await world.ok("port", container)).replaceAll(
    /:(3[2-9]\d{3}|[45]\d{4}|6[0-5]\d{3})$/gm,
    (_, port: string) => {
      if (!seen.has(port)) seen.set(port, `PORT${seen.size + 1}`);
      return `:${seen.get(port)}`;
    },
  );
  world.observe(key, text.replaceAll("\n", " | "));
}

async function grammar(world: World): Promise<void> {
  const cases: readonly string[] = [
    "",
    "abc",
    "70000:80",
    "80:70000",
    "-1:80",
    "8940-8941:80-82",
    "8940:80-81",
    "8941-8940:80",
    "1.2.3:8940:80",
    "1.2.3.4.5:8940:80",
    "::1:8940:80",
    "[::1:8940:80",
    "localhost:8940:80",
    "8940:80/xyz",
    "8940:80/TCP",
    "8940:80/sctp",
    "8940:",
    ":8940:80",
    "0.0.0.0:8940:80/",
    "8940:80:80:80",
  ];
  for (const text of cases)
    await world.say(`run -p "${text}"`, "run", "--rm", "--name", "lan-run", "-p", text, IMAGE, "true");
}
