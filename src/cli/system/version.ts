import { COMMIT } from "../../base/version.ts";
import { CLIENT_API_VERSION } from "../../client/engine-client.ts";
import { child, children, type Fields, fieldsOf, text, textMap } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { currentContextName } from "../context/current.ts";
import { describe } from "../dispatch.ts";
import { FlagSet } from "../flags.ts";
import { fromPairs } from "../options/values.ts";
import { printDocument } from "../output/inspect.ts";
import { plainText } from "../output/plain-text.ts";
import { goJson } from "../output/text.ts";
import { INSPECT_FORMAT_USAGE } from "../output/usage.ts";

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", INSPECT_FORMAT_USAGE, { short: "f" });
  return { usage: "[OPTIONS]", flags, arguments: NO_ARGUMENTS, run: (cli) => showVersion(cli, format.value) };
}

async function showVersion(cli: Cli, format: string): Promise<number> {
  let server: Fields | undefined;
  let failure: unknown;
  let apiVersion = cli.variable("DOCKER_API_VERSION")?.replace(/^v/, "") || CLIENT_API_VERSION;
  try {
    const engine = await cli.engine();
    server = fieldsOf(await engine.json({ method: "GET", path: "/version" }));
    apiVersion = engine.version;
  } catch (error) {
    failure = error;
  }
  const client = clientVersion(cli, apiVersion, await currentContextName(cli));
  if (format === "") await cli.out.write(plainText(versionText(client, server)));
  else {
    const document = (shown: Fields | undefined): Record<string, unknown> =>
      fromPairs<unknown>([
        ["Client", client],
        ["Server", shown ?? null],
      ]);
    if (format === "json") await cli.print(goJson(document(server)));
    else
      await printDocument(cli, format, document(server === undefined ? undefined : { ...UNSAID, ...server }));
  }
  if (failure === undefined) return 0;
  await cli.warn(describe(failure));
  return 1;
}

/** What a document leaves out when it is false, and a template may ask for. */
const UNSAID: Fields = { Experimental: false };
const RUNTIME =
  process.versions.bun === undefined ? `node${process.versions.node}` : `bun${process.versions.bun}`;

const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ["x64", "amd64"],
  ["ia32", "386"],
]);

function clientVersion(cli: Cli, apiVersion: string, context: string): Record<string, string> {
  return fromPairs([
    ["Version", cli.invocation.version],
    ["ApiVersion", apiVersion],
    ["DefaultAPIVersion", CLIENT_API_VERSION],
    ["GitCommit", COMMIT],
    ["GoVersion", RUNTIME],
    ["Os", process.platform],
    ["Arch", ARCHITECTURES.get(process.arch) ?? process.arch],
    ["Context", context],
  ]);
}

function row(name: string, value: string, indent: number): string {
  return `${" ".repeat(indent)}${`${name}:`.padEnd(20 - indent)}${value}\n`;
}

function versionText(client: Readonly<Record<string, string>>, server: Fields | undefined): string {
  const api = client["ApiVersion"] ?? "";
  const downgraded = api === CLIENT_API_VERSION ? "" : ` (downgraded from ${CLIENT_API_VERSION})`;
  let output = "Client:\n";
  output += row("Version", client["Version"] ?? "", 1);
  output += row("API version", `${api}${downgraded}`, 1);
  output += row("OS/Arch", `${client["Os"] ?? ""}/${client["Arch"] ?? ""}`, 1);
  output += row("Context", client["Context"] ?? "", 1);
  if (server === undefined) return output;
  const platform = text(child(server, "Platform"), "Name");
  output += `\nServer:${platform === "" ? "" : ` ${platform}`}\n`;
  const components = children(server, "Components");
  for (const component of components.length > 0 ? components : [server])
    output += componentText(component, server);
  return output;
}

function componentText(component: Fields, server: Fields): string {
  const name = text(component, "Name") || "Engine";
  let output = ` ${name}:\n${row("Version", text(component, "Version"), 2)}`;
  const details = textMap(component, "Details");
  if (name !== "Engine") {
    for (const [key, value] of details) output += row(key, value, 2);
    return output;
  }
  const detail = (key: string): string => details.get(key) ?? text(server, key);
  output += row("API version", `${detail("ApiVersion")} (minimum version ${detail("MinAPIVersion")})`, 2);
  output += row("Go version", detail("GoVersion"), 2);
  output += row("Git commit", detail("GitCommit"), 2);
  if (detail("BuildTime") !== "") output += row("Built", detail("BuildTime"), 2);
  output += row("OS/Arch", `${detail("Os")}/${detail("Arch")}`, 2);
  return output + row("Experimental", details.get("Experimental") ?? "false", 2);
}
