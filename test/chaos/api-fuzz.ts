/**
 * The API, asked what no client asks. After any number of requests the engine is the same process, answers, has not grown, and
 * has said 500 to nobody: that status is for what is broken inside it.
 */
import { Agent, request } from "node:http";
import { readFileSync } from "node:fs";
import { messageOf } from "../../src/base/errors.ts";
import { Engine } from "../support/engine.ts";
import { busyboxArchive } from "../support/images.ts";
import { SLOWNESS, until } from "../support/until.ts";
import { ATTACKS } from "./api-attacks.ts";
import { type FuzzRequest, operationsOf, randomRequest } from "./api-requests.ts";

export interface ApiCampaign {
  readonly requests: number;
  readonly random: () => number;
  readonly tell: (line: string) => void;
}

const CLIENTS = 16;
/** Of an answer's beginning; streams are hung up on before. */
const PATIENCE_MS = 20_000 * SLOWNESS;
const STREAM_MS = 50;
/** What an engine may weigh more after all of it, and all the time: containers and images are cleared away in between. */
const GROWTH_BYTES = 200 << 20;
const CLEAR_EVERY = 2_000;

export interface FuzzReport {
  readonly byStatus: ReadonlyMap<number, number>;
  readonly grownBytes: number;
}

/** Throws what the engine did that it must not, with the requests it did it for. */
export async function fuzzApi({ requests, random, tell }: ApiCampaign): Promise<FuzzReport> {
  const engine = await Engine.start();
  try {
    await engine.ok(["load", "-q", "-i", await busyboxArchive()]);
    await engine.ok(["create", "--name", "web", "--network", "none", "busybox", "true"]);
    return await new Campaign(engine, random, tell).run(requests);
  } finally {
    await engine.close();
  }
}

class Campaign {
  readonly #engine: Engine;
  readonly #random: () => number;
  readonly #tell: (line: string) => void;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  readonly #byStatus = new Map<number, number>();
  readonly #wrong: string[] = [];
  #done = 0;

  constructor(engine: Engine, random: () => number, tell: (line: string) => void) {
    this.#engine = engine;
    this.#random = random;
    this.#tell = tell;
  }

  async run(requests: number): Promise<FuzzReport> {
    const engine = this.#engine;
    const { pid } = engine;
    const operations = operationsOf((await engine.api("GET", "/openapi.json")).body);
    await this.#many(Math.min(requests, 1000), operations);
    const before = residentBytes(pid);
    for (const { what, run } of ATTACKS)
      try {
        await run(engine.socket);
      } catch (error) {
        this.#wrong.push(`${what}: ${messageOf(error)}`);
      }
    while (this.#done < requests && this.#wrong.length < 20) {
      await this.#many(Math.min(CLEAR_EVERY, requests - this.#done), operations);
      await this.#clear();
      if (this.#done % (10 * CLEAR_EVERY) < CLEAR_EVERY)
        this.#tell(`${this.#done} requests, ${residentBytes(pid) >> 20} MiB`);
    }
    this.#agent.destroy();
    if (!(await engine.ping())) this.#wrong.push("the engine does not answer any more");
    if (engine.pid !== pid || !isThere(pid)) this.#wrong.push("the engine has ended");
    let grownBytes = 0;
    await until("the engine to be as small as before", () => {
      grownBytes = residentBytes(pid) - before;
      return grownBytes < GROWTH_BYTES;
    }).catch(() => this.#wrong.push(`the engine has grown by ${grownBytes >> 20} MiB`));
    if (this.#wrong.length > 0) throw new Error(`the engine was wrong:\n${this.#wrong.join("\n")}`);
    return { byStatus: this.#byStatus, grownBytes };
  }

  async #many(count: number, operations: Parameters<typeof randomRequest>[1]): Promise<void> {
    let left = count;
    const client = async (): Promise<void> => {
      while (left-- > 0) await this.#ask(randomRequest(this.#random, operations));
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    this.#done += count;
  }

  /** What was made on the way goes, so that lists stay short and names are free. */
  async #clear(): Promise<void> {
    const engine = this.#engine;
    const ids = (await engine.ok(["ps", "-aq", "--no-trunc"])).split("\n").filter((id) => id !== "");
    for (let at = 0; at < ids.length; at += 100)
      await engine.gantry(["rm", "-f", ...ids.slice(at, at + 100)]);
    await engine.gantry(["network", "prune", "-f"]);
    await engine.gantry(["load", "-q", "-i", await busyboxArchive()]);
    await engine.gantry(["create", "--name", "web", "--network", "none", "busybox", "true"]);
  }

  async #ask(asked: FuzzRequest): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<string>();
    let status = 0;
    try {
      const outgoing = request(
        {
          socketPath: this.#engine.socket,
          agent: this.#agent,
          method: asked.method,
          path: asked.path,
          headers: {
            ...asked.headers,
            ...(asked.body === undefined ? {} : { "Content-Length": Buffer.byteLength(asked.body) }),
          },
        },
        (response) => {
          status = response.statusCode ?? 0;
          let text = "";
          response.on("data", (chunk: Buffer) => {
            if (text.length < 300) text += chunk.toString("utf8").slice(0, 300);
          });
          response.on("end", () => resolve(text));
          response.on("error", () => resolve(text));
        },
      );
      const timer = setTimeout(
        () => {
          if (!asked.isStream && status === 0) this.#wrong.push(`no answer: ${describe(asked)}`);
          outgoing.destroy();
          resolve("");
        },
        asked.isStream ? STREAM_MS : PATIENCE_MS,
      );
      outgoing.on("error", () => resolve(""));
      outgoing.end(asked.body);
      const text = await promise;
      clearTimeout(timer);
      this.#byStatus.set(status, (this.#byStatus.get(status) ?? 0) + 1);
      if (status === 500) this.#wrong.push(`500 ${text.trim()}: ${describe(asked)}`);
    } catch {
      // Our own HTTP client refuses to send it.
      resolve("");
    }
  }
}

function describe({ method, path, body = "" }: FuzzRequest): string {
  return `${method} ${path.slice(0, 300)} ${body.slice(0, 1500)}`;
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0") * 1024;
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
