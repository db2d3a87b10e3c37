import { formatBinarySize } from "../../base/units.ts";
import {
  child,
  children,
  type Fields,
  fieldsOf,
  flag,
  list,
  number,
  text,
  textList,
} from "../../client/fields.ts";
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
import { listPlugins, type Plugin } from "../plugins/find.ts";

export function command(): Command {
  const flags = new FlagSet();
  const format = flags.string("format", "", INSPECT_FORMAT_USAGE, { short: "f" });
  return { usage: "[OPTIONS]", flags, arguments: NO_ARGUMENTS, run: (cli) => showInfo(cli, format.value) };
}

function pluginDocument({ name, path, vendor, version, description, url, error }: Plugin): Fields {
  if (error !== "") return { Name: name, Path: path, Err: error };
  return {
    SchemaVersion: "0.1.0",
    Vendor: vendor,
    ...(version === "" ? {} : { Version: version }),
    ...(description === "" ? {} : { ShortDescription: description }),
    ...(url === "" ? {} : { URL: url }),
    Name: name,
    Path: path,
  };
}

function pluginLines(plugins: readonly Plugin[]): string {
  const valid = plugins.filter(({ error }) => error === "");
  if (valid.length === 0) return "";
  const lines = valid.map(
    ({ name, description, vendor, version, path }) =>
      `  ${name}: ${description} (${vendor})\n    Version:  ${version}\n    Path:     ${path}\n`,
  );
  return ` Plugins:\n${lines.join("")}`;
}

async function showInfo(cli: Cli, format: string): Promise<number> {
  let server: Fields | undefined;
  let failure: unknown;
  try {
    const engine = await cli.engine();
    server = fieldsOf(await engine.json({ method: "GET", path: "/info" }));
  } catch (error) {
    failure = error;
  }
  const context = await currentContextName(cli);
  const plugins = await listPlugins(cli);
  if (format !== "") {
    const client = fromPairs<unknown>([
      ["Debug", cli.options.debug.value],
      ["Version", cli.invocation.version],
      ["Context", context],
      ["Plugins", plugins.map(pluginDocument)],
      ["Warnings", null],
    ]);
    const document = fromPairs<unknown>([...Object.entries(server ?? {}), ["ClientInfo", client]]);
    if (format === "json") await cli.print(goJson(document));
    else await printDocument(cli, format, document);
  } else {
    let output = `Client:\n Version:    ${cli.invocation.version}\n Context:    ${context}\n`;
    output += ` Debug Mode: ${cli.options.debug.value}\n${pluginLines(plugins)}\nServer:\n`;
    if (server !== undefined) output += serverText(server);
    await cli.out.write(plainText(output));
    const warnings = textList(server ?? {}, "Warnings");
    if (warnings.length > 0) await cli.warn(warnings.join("\n"));
  }
  if (failure === undefined) return 0;
  await cli.warn(
    format === "" ? `ERROR: ${describe(failure)}\nerrors pretty printing info` : describe(failure),
  );
  return 1;
}

/** The engine's lines, in the order and wording of `docker info`. */
export function serverText(info: Fields): string {
  const lines: string[] = [];
  const show = (label: string, value: string | number | boolean, indent = 1): void => {
    lines.push(`${" ".repeat(indent)}${label}: ${value}`);
  };
  const showText = (label: string, field: string): void => {
    const value = text(info, field);
    if (value !== "") show(label, value);
  };
  show("Containers", number(info, "Containers"));
  show("Running", number(info, "ContainersRunning"), 2);
  show("Paused", number(info, "ContainersPaused"), 2);
  show("Stopped", number(info, "ContainersStopped"), 2);
  show("Images", number(info, "Images"));
  showText("Server Version", "ServerVersion");
  showText("Storage Driver", "Driver");
  for (const pair of list(info, "DriverStatus"))
    if (Array.isArray(pair)) show(String(pair[0]), String(pair[1]), 2);
  showText("Logging Driver", "LoggingDriver");
  showText("Cgroup Driver", "CgroupDriver");
  showText("Cgroup Version", "CgroupVersion");
  const plugins = child(info, "Plugins");
  lines.push(" Plugins:");
  for (const kind of ["Volume", "Network", "Authorization", "Log"]) {
    const names = textList(plugins, kind);
    if (names.length > 0 || kind !== "Authorization") show(kind, names.join(" "), 2);
  }
  const directories = textList(info, "CDISpecDirs");
  if (directories.length > 0) lines.push(" CDI spec directories:", ...directories.map((path) => `  ${path}`));
  const devices = children(info, "DiscoveredDevices");
  if (devices.length > 0) lines.push(" Discovered Devices:");
  for (const device of devices) show(text(device, "Source"), text(device, "ID"), 2);
  show("Swarm", text(child(info, "Swarm"), "LocalNodeState") || "inactive");
  const runtimes = Object.keys(child(info, "Runtimes")).sort();
  if (runtimes.length > 0) show("Runtimes", runtimes.join(" "));
  showText("Default Runtime", "DefaultRuntime");
  showText("Init Binary", "InitBinary");
  for (const [label, field] of [
    ["containerd", "ContainerdCommit"],
    ["runc", "RuncCommit"],
    ["init", "InitCommit"],
  ] as const) {
    const id = text(child(info, field), "ID");
    if (id !== "") show(`${label} version`, id);
  }
  lines.push(...securityLines(textList(info, "SecurityOptions")));
  showText("Kernel Version", "KernelVersion");
  showText("Operating System", "OperatingSystem");
  showText("OSType", "OSType");
  showText("Architecture", "Architecture");
  show("CPUs", number(info, "NCPU"));
  show("Total Memory", formatBinarySize(number(info, "MemTotal")));
  showText("Name", "Name");
  showText("ID", "ID");
  showText("Docker Root Dir", "DockerRootDir");
  show("Debug Mode", flag(info, "Debug"));
  showText("HTTP Proxy", "HttpProxy");
  showText("HTTPS Proxy", "HttpsProxy");
  showText("No Proxy", "NoProxy");
  const labels = textList(info, "Labels");
  if (labels.length > 0) lines.push(" Labels:", ...labels.map((label) => `  ${label}`));
  show("Experimental", flag(info, "ExperimentalBuild"));
  lines.push(...registryLines(child(info, "RegistryConfig")));
  show("Live Restore Enabled", flag(info, "LiveRestoreEnabled"));
  lines.push(...poolLines(children(info, "DefaultAddressPools")));
  return `${lines.join("\n")}\n\n`;
}

function poolLines(pools: readonly Fields[]): string[] {
  if (pools.length === 0) return [];
  const lines = pools.map((pool) => `   Base: ${text(pool, "Base")}, Size: ${number(pool, "Size")}`);
  return [" Default Address Pools:", ...lines];
}

function registryLines(config: Fields): string[] {
  const indexes = child(config, "IndexConfigs");
  const hosts = Object.keys(indexes).filter((name) => !flag(child(indexes, name), "Secure"));
  const insecure = [...hosts.sort(), ...textList(config, "InsecureRegistryCIDRs")];
  const mirrors = textList(config, "Mirrors");
  return [
    ...(insecure.length === 0 ? [] : [" Insecure Registries:", ...insecure.map((host) => `  ${host}`)]),
    ...(mirrors.length === 0 ? [] : [" Registry Mirrors:", ...mirrors.map((url) => `  ${url}`)]),
  ];
}

/** "name=seccomp,profile=builtin" as a name with its settings below. */
function securityLines(options: readonly string[]): string[] {
  if (options.length === 0) return [];
  const lines = [" Security Options:"];
  for (const option of options) {
    const pairs = option.split(",").map((pair) => pair.split("=", 2));
    for (const [key = "", value = ""] of pairs) {
      if (key === "name") lines.push(`  ${value}`);
      else lines.push(`   ${key.charAt(0).toUpperCase()}${key.slice(1)}: ${value}`);
    }
  }
  return lines;
}
