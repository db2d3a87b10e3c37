/**
 * A connection to an engine on another machine: ssh(1) runs `gantry system dial-stdio` there, which joins its standard streams to
 * the engine's socket.
 */
import type { ByteStream } from "../base/byte-stream.ts";
import { spawnStream } from "../base/child-stream.ts";

export interface SshTarget {
  readonly user: string;
  readonly host: string;
  readonly port: string;
  readonly socket: string;
}

/** Exported for its test. */
export function sshWords({ user, host, port, socket }: SshTarget): readonly string[] {
  return [
    ...(user === "" ? [] : ["-l", user]),
    ...(port === "" ? [] : ["-p", port]),
    "-o",
    "ConnectTimeout=30",
    "-T",
    "--",
    host,
    "gantry",
    // The other side's shell reads these.
    ...(socket === "" ? [] : ["--host", `'unix://${socket.replaceAll("'", "'\\''")}'`]),
    "system",
    "dial-stdio",
  ];
}

export function connectSsh(target: SshTarget): ByteStream {
  const hint = "make sure the URL is valid, and gantry is installed on the remote host";
  return spawnStream("ssh", sshWords(target), hint);
}
