/**
 * One netlink socket for many batches. nftables wants it: who closes a socket of its protocol waits until everything deleted before
 * is really gone (a grace period of RCU, 4-20 ms), and so does everybody who comes meanwhile.
 *
 * On crash: the kernel closes it.
 */
import { KeyedLock } from "../../base/keyed-lock.ts";
import type { Native } from "../native.ts";

export class KeptSocket {
  readonly #native: Native;
  readonly #protocol: number;
  readonly #lock = new KeyedLock();
  #socket: number | undefined;

  /** Of this process's network namespace. */
  constructor(native: Native, protocol: number) {
    this.#native = native;
    this.#protocol = protocol;
  }

  /** As `Native.netlink`: whatever is of another protocol or namespace goes there. One batch after the other. */
  netlink(protocol: number, namespace: number | undefined, bytes: Uint8Array): Promise<Uint8Array> {
    if (protocol !== this.#protocol || namespace !== undefined)
      return this.#native.netlink(protocol, namespace, bytes);
    return this.#lock.run("socket", async () => {
      this.#socket ??= await this.#native.netlinkSocket(protocol, undefined);
      return this.#native.netlinkOver(this.#socket, bytes);
    });
  }

  /** May wait as said above, and this thread with it. */
  close(): void {
    if (this.#socket !== undefined) this.#native.closeFd(this.#socket);
    this.#socket = undefined;
  }
}
