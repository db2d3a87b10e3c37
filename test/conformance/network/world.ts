/**
 * What a section of the comparison works with: an engine, the networks and containers that it makes there, somebody on the LAN,
 * and a list of observations. Everything it made is gone when it is disposed of; the engine may have other things.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { type Finished, run } from "../../support/run.ts";
import { until } from "../../support/until.ts";
import type { DnsQuery } from "./dns-probe.ts";
import type { AnswerText } from "./dns-wire.ts";
import { hostCommand, Neighbour } from "./neighbour.ts";
import { ask, askUdp } from "./probes.ts";

/** A Docker-compatible engine. */
export interface ComparedEngine {
  /** Its client's command, without a verb. */
  readonly cli: readonly string[];
  /** A process in the network namespace of its host. */
  readonly hostPid: number;
}

/** From `image.ts`: serves whom it sees on ports 80, 81 and 82. */
export const IMAGE = "lan-probe:1";

/** What a throw-away engine's host needs besides: one server of names, the one that the recorded Docker's host had, which nobody reaches. */
export const HOST_SETUP = `mount -t tmpfs tmpfs /mnt; echo "nameserver 10.255.255.53" >/mnt/resolv.conf;
  mount --bind /mnt/resolv.conf "$(realpath /etc/resolv.conf)"`;

/** Questions at a time: each is a process or two. */
const AT_A_TIME = 16;

export interface Question {
  /** What is said about it in the list. */
  readonly key: string;
  /** "host", "neighbour" or a container. */
  readonly from: string;
  readonly address: string;
  readonly port: number;
  readonly protocol?: "udp";
}

export class World implements AsyncDisposable {
  readonly engine: ComparedEngine;
  readonly #neighbour: Neighbour;
  readonly #observations = new Map<string, string>();
  readonly #containers = new Set<string>();
  readonly #networks: string[] = [];
  readonly #servers: ChildProcess[] = [];
  readonly #pids = new Map<string, number>();

  private constructor(engine: ComparedEngine, neighbour: Neighbour) {
    this.engine = engine;
    this.#neighbour = neighbour;
  }

  static async make(engine: ComparedEngine): Promise<World> {
    return new World(engine, await Neighbour.join(engine.hostPid));
  }

  /** "key => value", in order. */
  get lines(): readonly string[] {
    return [...this.#observations].map(([key, value]) => `${key} => ${value}`).sort();
  }

  observe(key: string, value: string): void {
    if (this.#observations.has(key)) throw new Error(`observed twice: ${key}`);
    this.#observations.set(key, value);
  }

  cli(...args: readonly string[]): Promise<Finished> {
    return run([...this.engine.cli, ...args], { timeoutMs: 60_000 });
  }

  /** As `cli`, but a failure throws; the answer is trimmed standard output. */
  async ok(...args: readonly string[]): Promise<string> {
    const done = await this.cli(...args);
    if (done.code !== 0)
      throw new Error(`exit ${done.code}: ${args.join(" ")}\n${done.stdout}${done.stderr}`);
    return done.stdout.trim();
  }

  /** What a command says to its user, on one line, without ids and the program's name. */
  async say(key: string, ...args: readonly string[]): Promise<void> {
    const { code, stdout, stderr } = await this.cli(...args);
    this.observe(key, code === 0 ? `0: ${plain(stdout)}` : `${code}: ${plain(stderr)}`);
  }

  async network(name: string, ...flags: readonly string[]): Promise<void> {
    this.#networks.unshift(name);
    await this.ok("network", "create", ...flags, name);
  }

  /** A container that serves. */
  async container(name: string, ...flags: readonly string[]): Promise<void> {
    this.#containers.add(name);
    await this.ok("run", "-d", "--name", name, ...flags, IMAGE);
    await this.untilServing(name);
  }

  /** After a start its process is another one, whose servers take a moment. */
  async untilServing(name: string): Promise<void> {
    this.#pids.delete(name);
    const isThere = async () =>
      (await this.ask({ from: name, address: "127.0.0.1", port: 82 })) === "127.0.0.1";
    await until(`${name} to serve`, isThere);
  }

  /** One that a section makes in another way, to be removed. */
  expectContainer(name: string): void {
    this.#containers.add(name);
  }

  async pidOf(place: string): Promise<number> {
    if (place === "host") return this.engine.hostPid;
    if (place === "neighbour") return this.#neighbour.pid;
    const known = this.#pids.get(place);
    if (known !== undefined) return known;
    const pid = Number(await this.ok("inspect", "-f", "{{.State.Pid}}", place));
    if (!(pid > 0)) throw new Error(`${place} does not run`);
    this.#pids.set(place, pid);
    return pid;
  }

  /** A command that runs in somebody's network namespace. */
  async at(place: string, command: readonly string[]): Promise<string[]> {
    return hostCommand(await this.pidOf(place), command);
  }

  /** A program of this folder that runs there until the end, once it has said a line. */
  async serve(place: string, program: string, ...args: readonly string[]): Promise<ChildProcess> {
    const [command = "", ...rest] = await this.at(place, [
      process.execPath,
      join(import.meta.dirname, program),
      ...args,
    ]);
    const child = spawn(command, rest, { stdio: ["ignore", "pipe", "ignore"] });
    this.#servers.push(child);
    let isReady = false;
    child.stdout.once("data", () => {
      isReady = true;
    });
    await until(`${program} to serve at ${place}`, () => isReady);
    return child;
  }

  /** Whom a server sees, or what becomes of the question. */
  async ask({ from, address, port, protocol }: Omit<Question, "key">): Promise<string> {
    const through = hostCommand(await this.pidOf(from), []);
    return protocol === "udp" ? askUdp(through, address, port) : ask(through, address, port);
  }

  async askAll(questions: readonly Question[]): Promise<void> {
    for (let at = 0; at < questions.length; at += AT_A_TIME)
      await Promise.all(
        questions
          .slice(at, at + AT_A_TIME)
          .map(async (question) => this.observe(question.key, await this.ask(question))),
      );
  }

  /** What a client in somebody's namespace is told, in the order of the queries. */
  async resolve(from: string, queries: readonly DnsQuery[]): Promise<readonly (AnswerText | string)[]> {
    const probe = join(import.meta.dirname, "dns-probe.ts");
    const done = await run(await this.at(from, [process.execPath, probe, JSON.stringify(queries)]));
    if (done.code !== 0) throw new Error(`asking for names failed: ${done.stderr}`);
    const answers: readonly (AnswerText | string)[] = JSON.parse(done.stdout);
    return answers;
  }

  /** Records of an answer are in order, so that shuffling does not count. `title`: what has happened before. */
  async resolveAll(title: string, from: string, queries: readonly DnsQuery[]): Promise<void> {
    const answers = await this.resolve(from, queries);
    for (const [index, each] of queries.entries()) {
      const how = [
        each.transport ?? [],
        each.udpBytes === undefined ? [] : `edns ${each.udpBytes}`,
        each.server ?? [],
      ];
      const key = [title, `${from} asks for ${each.name} ${each.type}`, ...how.flat()].join(", ");
      this.observe(key, answerText(answers[index]));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.kill("SIGKILL");
    if (this.#containers.size > 0) await this.cli("rm", "-f", ...this.#containers);
    for (const name of this.#networks) await this.cli("network", "rm", name);
    await this.#neighbour[Symbol.asyncDispose]();
  }
}

function answerText(answer: AnswerText | string | undefined): string {
  if (answer === undefined || typeof answer === "string") return answer ?? "nothing";
  const { rcode, records, ttls, flags } = answer;
  const shown = records.length > 5 ? [`${records.length} records`] : [...records].sort();
  const ttl = ttls.length === 0 ? [] : [`ttl ${[...new Set(ttls)].join(" ")}`];
  return [rcode, ...shown, ...ttl, ...flags].join(", ");
}

/** Without what differs from run to run, the name of the program that says it, and small words that Docker's versions add and drop. */
export function plain(text: string): string {
  return text
    .replaceAll(/\b(docker|gantry)(?=:| run| create| network)/g, "CLI")
    .replaceAll(/\b[0-9a-f]{64}\b/g, "ID")
    .replaceAll(/\b[0-9a-f]{12}\b/g, "ID")
    .replaceAll(/\bveth[0-9a-f]{7}\b/g, "VETH")
    .replaceAll(/\b(Docker Engine|Gantry)\b/g, "ENGINE")
    .replaceAll(/failed to set up container networking: (?=driver failed)/g, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(See|Run) '.* --help'/.test(line))
    .map((line) => line.replace(/(?<=[a-z0-9>)])\.$/, ""))
    .join(" | ");
}
