/** A sink on this machine that keeps what it gets, and fails when it is told to. */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";

export class StreamSink {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #received = Buffer.alloc(0);
  #waiting: (() => void)[] = [];
  /** Called with each piece. */
  onData: (socket: Socket, bytes: Buffer) => void = () => {};
  /** Does not read while this is set. */
  isDeaf = false;
  connections = 0;

  private constructor() {
    this.#server = createServer((socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {});
      if (this.isDeaf) socket.pause();
      socket.on("data", (bytes: Buffer) => {
        this.#received = Buffer.concat([this.#received, bytes]);
        this.onData(socket, bytes);
        for (const wake of this.#waiting.splice(0)) wake();
      });
    });
  }

  static async listen(at: { readonly path: string } | { readonly port: number }): Promise<StreamSink> {
    const sink = new StreamSink();
    if ("path" in at) rmSync(at.path, { force: true });
    sink.#server.listen("path" in at ? at : { port: at.port, host: "127.0.0.1" });
    await once(sink.#server, "listening");
    return sink;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  get text(): string {
    return this.#received.toString("latin1");
  }

  get bytes(): Buffer {
    return this.#received;
  }

  async until(isThere: (text: string) => boolean): Promise<string> {
    const deadline = Date.now() + 10_000;
    while (!isThere(this.text)) {
      if (Date.now() > deadline)
        throw new Error(`the sink has only ${JSON.stringify(this.text.slice(-500))}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      const timer = setTimeout(resolve, 50);
      await promise;
      clearTimeout(timer);
    }
    return this.text;
  }

  /** As when the sink dies. */
  async kill(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await once(this.#server, "close");
  }
}
