/** Names of things, for completion: asked for quickly or not at all. */
import { isCategory } from "../../base/errors.ts";
import type { EngineClient } from "../../client/engine-client.ts";
import { child, type Fields, isFields, list, text, textList } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import { dial } from "../hosts.ts";
import type { Wish } from "./wishes.ts";

export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** Who has pressed a key does not wait longer. */
const DEADLINE_MS = 1000;
/** A shell takes what is offered as if it had been typed, and names come from engines: nothing that means something to a shell. */
const HARMLESS = /^[A-Za-z0-9][\w.:@/+-]*$/;

type Named = Exclude<Wish, "files" | "nothing" | readonly string[]>;

/** None when there is no engine: pressing a key starts none, and logs in nowhere. */
export async function namesOf(cli: Cli, what: Named): Promise<readonly Candidate[]> {
  if (what === "contexts") return await contexts(cli);
  const { promise: late, resolve } = Promise.withResolvers<readonly Candidate[]>();
  const timer = setTimeout(() => resolve([]), DEADLINE_MS);
  const asked = openQuietly(cli).then((engine) => (engine === undefined ? [] : ask(engine, what)));
  try {
    return (await Promise.race([asked, late])).filter(({ word }) => HARMLESS.test(word));
  } catch {
    return []; // an engine that does not answer, or not to us: nothing to offer, and nobody to tell
  } finally {
    clearTimeout(timer);
  }
}

async function openQuietly(cli: Cli): Promise<EngineClient | undefined> {
  const address = await cli.address();
  if (address.endpoint.kind === "ssh") return undefined;
  (await dial(address)).close();
  return cli.engine();
}

async function contexts(cli: Cli): Promise<readonly Candidate[]> {
  const { descriptionOf, listContexts } = await import("../context/store.ts");
  const { directory } = await cli.config();
  const stored = await listContexts(directory).catch(() => []);
  return [
    { word: "default", description: "" },
    ...stored.map((context) => ({ word: context.name, description: descriptionOf(context) })),
  ].filter(({ word }) => HARMLESS.test(word));
}

async function ask(engine: EngineClient, what: Exclude<Named, "contexts">): Promise<readonly Candidate[]> {
  switch (what) {
    case "containers":
      return containers(engine, ALL);
    case "running":
      return containers(engine, "{}");
    case "stopped":
      return containers(engine, '{"status":{"created":true,"exited":true}}');
    case "paused":
      return containers(engine, '{"status":{"paused":true}}');
    case "images":
      return images(engine);
    case "networks":
      return (await rows(engine, "/networks")).map((row) => named(row, "Name", "Driver"));
    case "volumes": {
      const answer = await engine.json({ method: "GET", path: "/volumes" });
      const volumes = isFields(answer) ? list(answer, "Volumes").filter(isFields) : [];
      return volumes.map((row) => named(row, "Name", "Driver"));
    }
    case "execs":
      return execs(engine);
    case "objects": {
      const kinds = ["containers", "images", "networks", "volumes"] as const;
      const all = await Promise.all(kinds.map((kind) => ask(engine, kind).catch(() => [])));
      return all.flat();
    }
  }
}

const ALL = "";

async function containers(engine: EngineClient, filters: string): Promise<readonly Candidate[]> {
  const query = filters === "{}" ? {} : { all: 1, filters: filters || undefined };
  return (await rows(engine, "/containers/json", query)).flatMap((row) =>
    textList(row, "Names").map((name) => ({
      word: name.replace(/^\//, ""),
      description: `${text(row, "Image")}, ${text(row, "Status")}`,
    })),
  );
}

async function images(engine: EngineClient): Promise<readonly Candidate[]> {
  const names = (await rows(engine, "/images/json")).flatMap((row) => textList(row, "RepoTags"));
  return names.map((word) => ({ word, description: "" }));
}

async function execs(engine: EngineClient): Promise<readonly Candidate[]> {
  const running = await rows(engine, "/containers/json");
  return (await Promise.all(running.map((container) => execsOf(engine, text(container, "Id"))))).flat();
}

async function execsOf(engine: EngineClient, container: string): Promise<readonly Candidate[]> {
  try {
    return (await rows(engine, `/containers/${container}/execs`)).map((exec) => ({
      word: text(exec, "ID").slice(0, 12),
      description: text(child(exec, "ProcessConfig"), "entrypoint"),
    }));
  } catch (error) {
    if (isCategory(error, "not_found")) return []; // gone meanwhile
    throw error;
  }
}

async function rows(
  engine: EngineClient,
  path: string,
  query: Readonly<Record<string, string | number | undefined>> = {},
): Promise<readonly Fields[]> {
  const answer = await engine.json({ method: "GET", path, query });
  return Array.isArray(answer) ? answer.filter(isFields) : [];
}

function named(row: Fields, name: string, description: string): Candidate {
  return { word: text(row, name), description: text(row, description) };
}
