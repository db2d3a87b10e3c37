/** What the daemon is told about its doors, by flags and by daemon.json; the keys are dockerd's. docs/daemon.md tells users. */
import { resolve } from "node:path";
import { type DoorAddress, formatDoor, parseDoor } from "../api/doors/address.ts";
import { fail } from "../base/errors.ts";
import { emptyMap } from "../specs/engine/fields.decode.ts";
import { boolOf, settingText, settingTexts, settingBool } from "./setting-values.ts";

/** Absent = not said. */
export interface DoorSettings {
  readonly hosts?: readonly string[];
  readonly tls?: boolean;
  readonly tlsverify?: boolean;
  /** Files. */
  readonly tlscacert?: string;
  readonly tlscert?: string;
  readonly tlskey?: string;
}

export interface DoorOptions {
  /** Each once, in the order in which they were named. */
  readonly addresses: readonly DoorAddress[];
  /** Undefined: TCP is plain. */
  readonly tls: TlsFiles | undefined;
}

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Whose signature clients' certificates must have; undefined: clients need none. */
  readonly clientAuthorities: string | undefined;
}

export const DOOR_HELP = `
Doors (without one it is "unix://<exec-root>/gantry.sock"):
  -G, --group NAME             group that may use the unix sockets (default "docker")
  -H, --host URL               where to listen: unix://PATH, tcp://HOST[:PORT], fd:// for the sockets that systemd
                               passes, or fd://N; can be repeated
      --tls                    TLS on tcp; implied by --tlsverify. --tls=false: tcp without it, for whoever comes
      --tlscacert FILE         whose signatures clients' certificates need (default "<certs>/ca.pem")
      --tlscert FILE           our certificate (default "<certs>/cert.pem")
      --tlskey FILE            its key (default "<certs>/key.pem")
      --tlsverify              TLS on tcp, for clients with a certificate. --tlsverify=false: for whoever comes
                               (<certs> is $DOCKER_CERT_PATH, or ~/.docker)
`;

type FlagReader = (text: string, before: DoorSettings) => DoorSettings;

const addHost: FlagReader = (text, { hosts = [] }) => ({ hosts: [...hosts, text] });

export const DOOR_FLAGS: ReadonlyMap<string, FlagReader> = new Map<string, FlagReader>([
  ["--host", addHost],
  ["-H", addHost],
  ["--tls", (text) => ({ tls: boolOf("--tls", text) })],
  ["--tlsverify", (text) => ({ tlsverify: boolOf("--tlsverify", text) })],
  ["--tlscacert", (tlscacert) => ({ tlscacert })],
  ["--tlscert", (tlscert) => ({ tlscert })],
  ["--tlskey", (tlskey) => ({ tlskey })],
]);

/** Flags that need no value. */
export const DOOR_SWITCHES: ReadonlySet<string> = new Set(["--tls", "--tlsverify"]);

/** Keys of daemon.json. */
export const DOOR_READERS: Readonly<Record<string, (value: unknown) => DoorSettings>> = Object.assign(
  emptyMap<(value: unknown) => DoorSettings>(),
  {
    hosts: (value: unknown) => {
      const hosts = settingTexts("hosts", value);
      return hosts.length === 0 ? {} : { hosts };
    },
    tls: (value: unknown) => ({ tls: settingBool("tls", value) }),
    tlsverify: (value: unknown) => ({ tlsverify: settingBool("tlsverify", value) }),
    tlscacert: (value: unknown) => ({ tlscacert: settingText("tlscacert", value) }),
    tlscert: (value: unknown) => ({ tlscert: settingText("tlscert", value) }),
    tlskey: (value: unknown) => ({ tlskey: settingText("tlskey", value) }),
  },
);

/**
 * Throws `invalid_argument`: for an address that is none, and for TCP that would serve whoever comes when nobody has said, by
 * `tls` or `tlsverify`, that this is what is wanted. Whoever reaches such a door is root on this host.
 */
export function doorOptions(
  settings: DoorSettings,
  at: { readonly socketPath: string; readonly certificates: string },
): DoorOptions {
  // As with dockerd, `tlsverify` switches TLS on whatever its value is.
  const isTls = settings.tlsverify !== undefined || settings.tls === true;
  const addresses = new Map<string, DoorAddress>();
  for (const host of settings.hosts ?? [""]) {
    const address = parseDoor(host, { isTls, socketPath: at.socketPath });
    addresses.set(formatDoor(address), address);
  }
  for (const [name, { kind }] of addresses)
    if (kind === "tcp" && !isOpenOnPurpose(settings) && settings.tlsverify !== true)
      throw fail("invalid_argument", `refused to listen on ${name}: ${OPEN_TO_ALL}`);
  const file = (path: string | undefined, name: string): string =>
    path === undefined || path === "" ? `${at.certificates}/${name}` : resolve(path);
  const tls = {
    cert: file(settings.tlscert, "cert.pem"),
    key: file(settings.tlskey, "key.pem"),
    clientAuthorities: settings.tlsverify === true ? file(settings.tlscacert, "ca.pem") : undefined,
  };
  return { addresses: [...addresses.values()], tls: isTls ? tls : undefined };
}

/** A socket of systemd's is known to be TCP only once it is there. */
export function isOpenOnPurpose({ tls, tlsverify }: DoorSettings): boolean {
  return tlsverify === false || (tlsverify === undefined && tls === false);
}

export const OPEN_TO_ALL =
  "without client certificates (--tlsverify) everybody who can connect, and every page in a browser on this host, could become root here; --tls=false or --tlsverify=false says that this is wanted";

/** For `info`. */
export function doorWarnings({ addresses, tls }: DoorOptions): readonly string[] {
  if (tls?.clientAuthorities !== undefined) return [];
  return addresses
    .filter(({ kind }) => kind === "tcp")
    .map(
      (address) =>
        `WARNING: API is accessible on ${formatDoor(address)} without client certificates. Access to it is equivalent to root access on the host`,
    );
}
