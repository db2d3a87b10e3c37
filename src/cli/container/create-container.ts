/** What `run` and `create` share: the request, the missing image, the ID file, warnings. */
import { errnoOf, GantryError, messageOf } from "../../base/errors.ts";
import { OwnProcessNeeded } from "../../base/own-process.ts";
import type { EngineClient } from "../../client/engine-client.ts";
import { fieldsOf, text, textList } from "../../client/fields.ts";
import { ResponseError } from "../../client/response-error.ts";
import type { Cli } from "../cli.ts";
import { Exit } from "../exit.ts";
import type { ContainerFlags } from "../options/container-flags.ts";
import type { CreateBody } from "../options/create-body.ts";
import { formatReference, parseReference, type Reference, withDefaultTag } from "../reference.ts";

/**
 * A mistake in the values of flags, which their parsers throw as plain errors, as `run` and `create` report it: program
 * name first, status 125. Anything else stays what it is.
 */
export function usageError(cli: Cli, name: string, error: unknown): unknown {
  if (error instanceof Exit || error instanceof GantryError || errnoOf(error) !== undefined) return error;
  if (error instanceof OwnProcessNeeded) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Exit(
    125,
    `${cli.program}: ${message}\n\nRun '${cli.program} ${name} --help' for more information`,
  );
}

/** Undefined for an image ID, which is no reference but names an image all the same. */
function referenceOf(image: string): Reference | undefined {
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(image)) return undefined;
  return withDefaultTag(parseReference(image));
}

/** Creates the container and returns its ID. An absent image is fetched first, unless `--pull never`. */
export async function createContainer(
  cli: Cli,
  engine: EngineClient,
  flags: ContainerFlags,
  body: CreateBody,
  image: string,
): Promise<string> {
  const reference = referenceOf(image);
  await using idFile = await openIdFile(flags.cidfile.value);
  const platform = flags.platform.value || cli.variable("DOCKER_DEFAULT_PLATFORM") || "";
  const policy = flags.pull.value;
  const isFetched = policy === "always" && reference !== undefined;
  if (isFetched) {
    await warnOfRisks(cli, flags);
    await pull(cli, engine, reference, platform, flags.quiet.value);
  }
  const create = (): Promise<unknown> =>
    engine.json({
      method: "POST",
      path: "/containers/create",
      query: { name: flags.name.value || undefined, platform: platform || undefined },
      json: body,
    });
  // Nothing is written before it is known that no other process has to take over.
  const first = await create().then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
  const isMissing = "error" in first && first.error instanceof ResponseError && first.error.status === 404;
  const fetches = isMissing && policy === "missing" && reference !== undefined;
  if (fetches) cli.invocation.caller.ownProcess("an image is fetched");
  if (!isFetched) await warnOfRisks(cli, flags);
  let answer: unknown;
  if ("answer" in first) ({ answer } = first);
  else if (!fetches) throw first.error;
  else {
    if (!flags.quiet.value) await cli.warn(`Unable to find image '${formatReference(reference)}' locally`);
    await pull(cli, engine, reference, platform, flags.quiet.value);
    answer = await create();
  }
  const fields = fieldsOf(answer);
  for (const warning of textList(fields, "Warnings")) await cli.warn(`WARNING: ${warning}`);
  const id = text(fields, "Id");
  await idFile.write(id);
  return id;
}

async function warnOfRisks(cli: Cli, flags: ContainerFlags): Promise<void> {
  if (flags.oomKillDisable.value && flags.memory.value === 0)
    await cli.warn(
      "WARNING: Disabling the OOM killer on containers without setting a '-m/--memory' limit may be dangerous.",
    );
  const local = flags.dns.value.find((address) => address === "::1" || address.startsWith("127."));
  if (local !== undefined)
    await cli.warn(`WARNING: Localhost DNS setting (--dns=${local}) may fail in containers.`);
}

async function pull(
  cli: Cli,
  engine: EngineClient,
  reference: Reference,
  platform: string,
  quiet: boolean,
): Promise<void> {
  const { pullImage } = await import("../image/pull-image.ts");
  await pullImage(cli, engine, reference, { platform, quiet, progress: cli.err });
}

interface IdFile extends AsyncDisposable {
  write(id: string): Promise<void>;
}

const NO_ID_FILE: IdFile = { write: async () => {}, [Symbol.asyncDispose]: async () => {} };

/** Makes the file before the container, so that a wrong path is known in time; one that got no ID goes away again. */
async function openIdFile(path: string): Promise<IdFile> {
  if (path === "") return NO_ID_FILE;
  const { open, rm } = await import("node:fs/promises");
  const file = await open(path, "wx", 0o644).catch((error: unknown) => {
    if (errnoOf(error) === "EEXIST")
      throw new Error(
        `container ID file found, make sure the other container isn't running or delete ${path}`,
      );
    const reason = errnoOf(error) === "ENOENT" ? "no such file or directory" : messageOf(error);
    throw new Error(`failed to create the container ID file: open ${path}: ${reason}`);
  });
  let written = false;
  return {
    async write(id) {
      await file.writeFile(id);
      written = true;
    },
    async [Symbol.asyncDispose]() {
      await file.close();
      if (!written) await rm(path, { force: true });
    },
  };
}

const PULL_POLICIES = ["always", "missing", "never"];

export function checkPullPolicy(policy: string): void {
  if (!PULL_POLICIES.includes(policy))
    throw new Error(`invalid pull option: '${policy}': must be one of "always", "missing" or "never"`);
}

/** The engine's complaint that a container's command could not be started, as an exit status. */
export function startFailureStatus(message: string): 125 | 126 | 127 {
  if (
    /executable file not found|no such file or directory|system cannot find the file specified/.test(message)
  )
    return 127;
  return /permission denied|is a directory/.test(message) ? 126 : 125;
}
