/** The flags of `run` and `create` that describe the container. */
import { Flag, FlagSet } from "../flags.ts";
import {
  type DeviceRequestBody,
  parseBytesPerSecond,
  parseGpus,
  parseOperationsPerSecond,
  parseUlimit,
  parseWeightDevice,
} from "./devices.ts";
import { type MountBody, parseMount } from "./mounts.ts";
import { type NetworkAttachment, parseNetwork } from "./networks.ts";
import { bytes, limitFlags } from "./limits.ts";
import { rateFlags } from "./rates.ts";
import * as values from "./values.ts";

function append<T>(parse: (text: string) => T): (text: string, before: readonly T[]) => readonly T[] {
  return (text, before) => [...before, parse(text)];
}

function repeated<T>(
  flags: FlagSet,
  name: string,
  usage: string,
  parse: (text: string) => T,
  options: { readonly shownDefault: string; readonly valueName?: string },
): Flag<readonly T[]> {
  const { shownDefault, valueName = "list" } = options;
  return flags.custom<readonly T[]>(name, [], usage, { valueName, shownDefault, parse: append(parse) });
}

function duration(flags: FlagSet, name: string, usage: string): Flag<number> {
  return flags.custom(name, 0, usage, {
    valueName: "duration",
    shownDefault: "0s",
    parse: values.parseDurationFlag,
  });
}

const CGROUPNS_USAGE = `Cgroup namespace to use (host|private)
'host':    Run the container in the host's cgroup namespace
'private': Run the container in its own private cgroup namespace
'':        Use the cgroup namespace as configured by the
           default-cgroupns-mode option on the daemon (default)`;

/** Adds the flags to a set and gives access to their values. */
export function containerFlags(flags: FlagSet, verb: "running" | "creating") {
  const noGpus: readonly DeviceRequestBody[] = [];
  const table = {
    addHost: flags.list("add-host", "Add a custom host-to-IP mapping (host:ip)", {
      check: values.checkExtraHost,
    }),
    annotation: flags.list(
      "annotation",
      "Add an annotation to the container (passed through to the OCI runtime)",
      {
        valueName: "map",
        shownDefault: "map[]",
      },
    ),
    attach: flags.list("attach", "Attach to STDIN, STDOUT or STDERR", {
      short: "a",
      check: values.checkAttach,
    }),
    blkioWeightDevice: repeated(
      flags,
      "blkio-weight-device",
      "Block IO weight (relative device weight)",
      parseWeightDevice,
      {
        shownDefault: "[]",
      },
    ),
    capAdd: flags.list("cap-add", "Add Linux capabilities"),
    capDrop: flags.list("cap-drop", "Drop Linux capabilities"),
    cgroupParent: flags.string("cgroup-parent", "", "Optional parent cgroup for the container"),
    cgroupns: flags.string("cgroupns", "", CGROUPNS_USAGE),
    cidfile: flags.string("cidfile", "", "Write the container ID to the file"),
    cpuCount: flags.int("cpu-count", 0, "CPU count (Windows only)", { hidden: true }),
    cpuPercent: flags.int("cpu-percent", 0, "CPU percent (Windows only)", { hidden: true }),
    device: flags.list("device", "Add a host device to the container"),
    deviceCgroupRule: flags.list("device-cgroup-rule", "Add a rule to the cgroup allowed devices list", {
      check: values.checkDeviceCgroupRule,
    }),
    deviceReadBps: repeated(
      flags,
      "device-read-bps",
      "Limit read rate (bytes per second) from a device",
      parseBytesPerSecond,
      {
        shownDefault: "[]",
      },
    ),
    deviceReadIops: repeated(
      flags,
      "device-read-iops",
      "Limit read rate (IO per second) from a device",
      parseOperationsPerSecond,
      {
        shownDefault: "[]",
      },
    ),
    deviceWriteBps: repeated(
      flags,
      "device-write-bps",
      "Limit write rate (bytes per second) to a device",
      parseBytesPerSecond,
      {
        shownDefault: "[]",
      },
    ),
    deviceWriteIops: repeated(
      flags,
      "device-write-iops",
      "Limit write rate (IO per second) to a device",
      parseOperationsPerSecond,
      {
        shownDefault: "[]",
      },
    ),
    disableContentTrust: flags.bool("disable-content-trust", true, "Skip image verification"),
    dns: flags.list("dns", "Set custom DNS servers", { check: values.checkIpAddress }),
    dnsOption: flags.list("dns-option", "Set DNS options"),
    dnsSearch: flags.list("dns-search", "Set custom DNS search domains", { check: values.checkDnsSearch }),
    domainname: flags.string("domainname", "", "Container NIS domain name"),
    entrypoint: flags.string("entrypoint", "", "Overwrite the default ENTRYPOINT of the image"),
    env: flags.list("env", "Set environment variables", {
      short: "e",
      check: values.checkEnvironmentVariable,
    }),
    envFile: flags.list("env-file", "Read in a file of environment variables"),
    expose: flags.list("expose", "Expose a port or a range of ports"),
    gpus: flags.custom("gpus", noGpus, "GPU devices to add to the container ('all' to pass all GPUs)", {
      valueName: "gpu-request",
      parse: append(parseGpus),
    }),
    groupAdd: flags.list("group-add", "Add additional groups to join"),
    healthCmd: flags.string("health-cmd", "", "Command to run to check health"),
    healthInterval: duration(flags, "health-interval", "Time between running the check (ms|s|m|h)"),
    healthOnFailure: flags.string(
      "health-on-failure",
      "",
      'Action to take once the container is unhealthy ("none", "kill", "restart", "stop")',
    ),
    healthRetries: flags.int("health-retries", 0, "Consecutive failures needed to report unhealthy"),
    healthStartInterval: duration(
      flags,
      "health-start-interval",
      "Time between running the check during the start period (ms|s|m|h)",
    ),
    healthStartPeriod: duration(
      flags,
      "health-start-period",
      "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)",
    ),
    healthTimeout: duration(flags, "health-timeout", "Maximum time to allow one check to run (ms|s|m|h)"),
    hostname: flags.string("hostname", "", "Container host name", { short: "h" }),
    init: flags.bool(
      "init",
      false,
      "Run an init inside the container that forwards signals and reaps processes",
    ),
    interactive: flags.bool("interactive", false, "Keep STDIN open even if not attached", { short: "i" }),
    ioMaxBandwidth: bytes(
      flags,
      "io-maxbandwidth",
      "Maximum IO bandwidth limit for the system drive (Windows only)",
      { hidden: true },
    ),
    ioMaxIops: flags.int("io-maxiops", 0, "Maximum IOps limit for the system drive (Windows only)", {
      hidden: true,
    }),
    ip: flags.string("ip", "", "IPv4 address (e.g., 172.30.100.104)"),
    ip6: flags.string("ip6", "", "IPv6 address (e.g., 2001:db8::33)"),
    ipc: flags.string("ipc", "", "IPC mode to use"),
    isolation: flags.string("isolation", "", "Container isolation technology"),
    kernelMemory: bytes(flags, "kernel-memory", "Kernel memory limit", { hidden: true }),
    label: flags.list("label", "Set meta data on a container", { short: "l", check: values.checkLabel }),
    labelFile: flags.list("label-file", "Read in a line delimited file of labels"),
    link: flags.list("link", "Add link to another container", { check: values.checkLink }),
    linkLocalIp: flags.list("link-local-ip", "Container IPv4/IPv6 link-local addresses"),
    logDriver: flags.string("log-driver", "", "Logging driver for the container"),
    logOpt: flags.list("log-opt", "Log driver options"),
    macAddress: flags.string("mac-address", "", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
    memorySwappiness: flags.int("memory-swappiness", -1, "Tune container memory swappiness (0 to 100)"),
    mount: flags.custom<readonly MountBody[]>("mount", [], "Attach a filesystem mount to the container", {
      valueName: "mount",
      parse: append(parseMount),
    }),
    name: flags.string("name", "", "Assign a name to the container"),
    network: flags.custom<readonly NetworkAttachment[]>("network", [], "Connect a container to a network", {
      valueName: "network",
      parse: append(parseNetwork),
    }),
    ...limitFlags(flags),
    ...rateFlags(flags),
    networkAlias: flags.list("network-alias", "Add network-scoped alias for the container"),
    noHealthcheck: flags.bool("no-healthcheck", false, "Disable any container-specified HEALTHCHECK"),
    oomKillDisable: flags.bool("oom-kill-disable", false, "Disable OOM Killer"),
    oomScoreAdj: flags.int("oom-score-adj", 0, "Tune host's OOM preferences (-1000 to 1000)"),
    pid: flags.string("pid", "", "PID namespace to use"),
    platform: flags.string("platform", "", "Set platform if server is multi-platform capable"),
    privileged: flags.bool("privileged", false, "Give extended privileges to this container"),
    publish: flags.list("publish", "Publish a container's port(s) to the host", { short: "p" }),
    publishAll: flags.bool("publish-all", false, "Publish all exposed ports to random ports", { short: "P" }),
    pull: flags.string("pull", "missing", `Pull image before ${verb} ("always", "missing", "never")`),
    quiet: flags.bool("quiet", false, "Suppress the pull output", { short: "q" }),
    readOnly: flags.bool("read-only", false, "Mount the container's root filesystem as read only"),
    restart: flags.string("restart", "no", "Restart policy to apply when a container exits"),
    rm: flags.bool("rm", false, "Automatically remove the container when it exits"),
    runtime: flags.string("runtime", "", "Runtime to use for this container"),
    securityOpt: flags.list("security-opt", "Security Options"),
    shmSize: bytes(flags, "shm-size", "Size of /dev/shm"),
    stopSignal: flags.string("stop-signal", "", "Signal to stop the container"),
    stopTimeout: flags.int("stop-timeout", 0, "Timeout (in seconds) to stop a container"),
    storageOpt: flags.list("storage-opt", "Storage driver options for the container"),
    sysctl: flags.list("sysctl", "Sysctl options", {
      valueName: "map",
      shownDefault: "map[]",
      check: values.checkSysctl,
    }),
    tmpfs: flags.list("tmpfs", "Mount a tmpfs directory"),
    tty: flags.bool("tty", false, "Allocate a pseudo-TTY", { short: "t" }),
    ulimit: repeated(flags, "ulimit", "Ulimit options", parseUlimit, {
      valueName: "ulimit",
      shownDefault: "[]",
    }),
    useApiSocket: flags.bool("use-api-socket", false, "Bind mount the engine's API socket and credentials", {
      hidden: true,
    }),
    user: flags.string("user", "", "Username or UID (format: <name|uid>[:<group|gid>])", { short: "u" }),
    userns: flags.string("userns", "", "User namespace to use"),
    uts: flags.string("uts", "", "UTS namespace to use"),
    volume: flags.list("volume", "Bind mount a volume", { short: "v" }),
    volumeDriver: flags.string("volume-driver", "", "Optional volume driver for the container"),
    volumesFrom: flags.list("volumes-from", "Mount volumes from the specified container(s)"),
    workdir: flags.string("workdir", "", "Working directory inside the container", { short: "w" }),
  };
  flags.alias("dns-opt", table.dnsOption);
  flags.alias("net", table.network);
  flags.alias("net-alias", table.networkAlias);
  return table;
}

export type ContainerFlags = ReturnType<typeof containerFlags>;

/** Whether creating a container with these takes files by name, a terminal, standard input, or fetches the image for certain. */
export function createNeedsOwnProcess(flags: ContainerFlags): boolean {
  return (
    flags.interactive.value ||
    flags.tty.value ||
    flags.attach.value.length > 0 ||
    flags.cidfile.value !== "" ||
    flags.envFile.value.length > 0 ||
    flags.labelFile.value.length > 0 ||
    flags.securityOpt.value.length > 0 ||
    flags.pull.value === "always"
  );
}
