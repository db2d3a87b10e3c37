/**
 * Plugins of Docker's CLI: programs `docker-NAME` in certain directories, each a command of its own. Asked with the word
 * `docker-cli-plugin-metadata`, one says who it is.
 */
import { errnoOf, messageOf } from "../../base/errors.ts";
import { runProgram } from "../../base/process.ts";
import { fieldsOf, isFields, text } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import { COMMANDS, MANAGEMENT, SERVERS } from "../commands.ts";

export interface Plugin {
  readonly name: string;
  readonly path: string;
  readonly vendor: string;
  readonly version: string;
  readonly description: string;
  readonly url: string;
  /** Why it cannot be used; "" = it can. */
  readonly error: string;
}

const PREFIX = "docker-";
const SYSTEM_DIRECTORIES = [
  "/usr/local/lib/docker/cli-plugins",
  "/usr/local/libexec/docker/cli-plugins",
  "/usr/lib/docker/cli-plugins",
  "/usr/libexec/docker/cli-plugins",
];
const NAME = /^[a-z][a-z0-9]*$/;
const METADATA_LIMITS = { timeoutMs: 10_000, maxBytes: 1 << 20 };

/** The plugin that a word means; undefined without one that can be used. */
export async function findPlugin(cli: Cli, name: string): Promise<Plugin | undefined> {
  if (!NAME.test(name)) return undefined;
  const { access, constants } = await import("node:fs/promises");
  for (const directory of await directoriesOf(cli)) {
    const path = `${directory}/${PREFIX}${name}`;
    if (
      !(await access(path, constants.X_OK).then(
        () => true,
        () => false,
      ))
    )
      continue;
    const plugin = await describePlugin(name, path);
    return plugin.error === "" ? plugin : undefined;
  }
  return undefined;
}

/** All there are, by name; of two with the same name the one that is found first. */
export async function listPlugins(cli: Cli): Promise<readonly Plugin[]> {
  const { readdir } = await import("node:fs/promises");
  const paths = new Map<string, string>();
  for (const directory of await directoriesOf(cli)) {
    const names = await readdir(directory).catch((error: unknown) => {
      if (["ENOENT", "ENOTDIR", "EACCES"].includes(errnoOf(error) ?? "")) return [];
      throw error;
    });
    for (const file of names) {
      const name = file.slice(PREFIX.length);
      if (file.startsWith(PREFIX) && !paths.has(name)) paths.set(name, `${directory}/${file}`);
    }
  }
  const plugins = await Promise.all([...paths].map(([name, path]) => describePlugin(name, path)));
  return plugins.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function directoriesOf(cli: Cli): Promise<readonly string[]> {
  const { directory, pluginDirectories } = await cli.config();
  return [...pluginDirectories, `${directory}/cli-plugins`, ...SYSTEM_DIRECTORIES];
}

async function describePlugin(name: string, path: string): Promise<Plugin> {
  const nobody = { name, path, vendor: "", version: "", description: "", url: "" };
  const wrong = (error: string): Plugin => ({ ...nobody, error });
  if (!NAME.test(name)) return wrong(`plugin candidate "${name}" did not match "${NAME.source}"`);
  if (isOurs(name)) return wrong(`plugin "${name}" duplicates builtin command`);
  let answer: unknown;
  try {
    const { exitCode, stdout } = await runProgram(path, ["docker-cli-plugin-metadata"], METADATA_LIMITS);
    if (exitCode !== 0) return wrong(`failed to fetch metadata: exit status ${exitCode}`);
    answer = JSON.parse(stdout);
  } catch (error) {
    return wrong(`invalid metadata: ${messageOf(error)}`);
  }
  if (!isFields(answer)) return wrong("invalid metadata: no object");
  const fields = fieldsOf(answer);
  const version = text(fields, "SchemaVersion");
  if (version !== "0.1.0") return wrong(`plugin SchemaVersion "${version}" is not valid, must be 0.1.0`);
  if (text(fields, "Vendor") === "") return wrong("plugin metadata does not define a vendor");
  return {
    name,
    path,
    vendor: text(fields, "Vendor"),
    version: text(fields, "Version"),
    description: text(fields, "ShortDescription"),
    url: text(fields, "URL"),
    error: "",
  };
}

function isOurs(name: string): boolean {
  return MANAGEMENT.has(name) || SERVERS.has(name) || COMMANDS.some(({ top }) => top === name);
}
