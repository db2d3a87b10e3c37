/** A network namespace that only its test sees, kept by a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";

export class NetworkNamespace implements Disposable {
  /** For `Native`'s functions. */
  readonly fd: number;
  readonly #keeper: ChildProcess;

  private constructor(keeper: ChildProcess) {
    this.#keeper = keeper;
    this.fd = openSync(`/proc/${keeper.pid}/ns/net`, "r");
  }

  /** With `lo` down, as a container's is before anybody cares for it. */
  static async make(): Promise<NetworkNamespace> {
    const keeper = spawn("unshare", ["--net", "sh", "-c", "echo ready; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(keeper.stdout, "data");
    return new NetworkNamespace(keeper);
  }

  /** Of a process that is in it. */
  get pid(): number {
    return this.#keeper.pid ?? 0;
  }

  /** What a command says there, with its exit code when that is not 0. */
  async run(...command: readonly string[]): Promise<string> {
    const child = spawn("nsenter", [`--net=/proc/${this.#keeper.pid}/ns/net`, ...command], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
    const [code]: unknown[] = await once(child, "close");
    return code === 0 ? text : `${text}exit ${String(code)}`;
  }

  /** The content of a setting there. */
  async setting(name: string): Promise<string> {
    return (await this.run("cat", `/proc/sys/${name}`)).trim();
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
    this.#keeper.kill("SIGKILL");
  }
}
