/** The watching side of `native-sockets.ts` over the addon's one thread, and the records that both sides exchange (native/addon/datagrams.c). */
import { endianness } from "node:os";
import { getSystemErrorName } from "node:util";
import type { ConnectionReader, Datagram, DatagramReader } from "./native-sockets.ts";

const HEADER_BYTES = 44;
const ADDRESS_AT = 16;
const MAX_ADDRESS_BYTES = 28;
const KIND_DATAGRAM = 0;
const KIND_CONNECTION = 1;
const IS_LITTLE_ENDIAN = endianness() === "LE";

export interface LoopAddon {
  socketLoop(deliver: (batch: Uint8Array) => void): unknown;
  watchSocket(loop: unknown, fd: number, key: number, isListening: number): unknown;
  unwatchSocket(loop: unknown, fd: number): unknown;
  closeFd(fd: number): unknown;
}

type Reader =
  | { readonly kind: "datagrams"; readonly fd: number; readonly reader: DatagramReader }
  | { readonly kind: "connection"; readonly fd: number; readonly reader: ConnectionReader };

export class SocketLoop {
  readonly #addon: LoopAddon;
  #loop: unknown;
  #lastKey = 0;
  readonly #readers = new Map<number, Reader>();
  readonly #keys = new Map<number, number>();

  constructor(addon: LoopAddon) {
    this.#addon = addon;
  }

  watch(reader: Reader): void {
    this.#loop ??= this.#addon.socketLoop((batch) => this.#take(batch));
    // A key is never used twice, so what is under way when a descriptor's number comes again reaches nobody.
    this.#lastKey = (this.#lastKey + 1) % 0x7fff_ffff;
    const key = this.#lastKey;
    this.#addon.watchSocket(this.#loop, reader.fd, key, reader.kind === "connection" ? 1 : 0);
    this.#readers.set(key, reader);
    this.#keys.set(reader.fd, key);
  }

  unwatch(fd: number): void {
    const key = this.#keys.get(fd);
    if (key === undefined) return;
    this.#forget(key, fd);
    this.#addon.unwatchSocket(this.#loop, fd);
  }

  #forget(key: number, fd: number): void {
    this.#readers.delete(key);
    this.#keys.delete(fd);
  }

  #take(batch: Uint8Array): void {
    const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
    let at = 0;
    while (at + HEADER_BYTES <= batch.length) {
      const key = view.getUint32(at, IS_LITTLE_ENDIAN);
      const kind = view.getUint32(at + 4, IS_LITTLE_ENDIAN);
      const value = view.getUint32(at + 8, IS_LITTLE_ENDIAN);
      if (kind === KIND_DATAGRAM) {
        const run = takeDatagrams(batch, view, at, key);
        at = run.end;
        const reader = this.#readers.get(key);
        if (reader?.kind === "datagrams") reader.reader.batch(run.datagrams);
        continue;
      }
      at += HEADER_BYTES;
      if (kind === KIND_CONNECTION) this.#connection(key, value);
      else this.#ended(key, value);
    }
  }

  #connection(key: number, fd: number): void {
    const reader = this.#readers.get(key);
    if (reader?.kind !== "connection") {
      this.#addon.closeFd(fd);
      return;
    }
    this.#forget(key, reader.fd);
    reader.reader.connection(fd);
  }

  #ended(key: number, code: number): void {
    const reader = this.#readers.get(key);
    if (reader === undefined) return;
    this.#forget(key, reader.fd);
    const name = getSystemErrorName(-code);
    reader.reader.ended(Object.assign(new Error(`${name}: reading a socket`), { code: name, errno: -code }));
  }
}

/** All datagrams of one socket that follow each other. */
function takeDatagrams(
  batch: Uint8Array,
  view: DataView,
  start: number,
  key: number,
): { readonly datagrams: Datagram[]; readonly end: number } {
  const datagrams: Datagram[] = [];
  let at = start;
  while (
    at + HEADER_BYTES <= batch.length &&
    view.getUint32(at, IS_LITTLE_ENDIAN) === key &&
    view.getUint32(at + 4, IS_LITTLE_ENDIAN) === KIND_DATAGRAM
  ) {
    const length = view.getUint32(at + 8, IS_LITTLE_ENDIAN);
    const addressAt = at + ADDRESS_AT;
    const dataAt = at + HEADER_BYTES;
    datagrams.push({
      peer: batch.subarray(addressAt, addressAt + view.getUint32(at + 12, IS_LITTLE_ENDIAN)),
      bytes: batch.subarray(dataAt, dataAt + length),
    });
    at = dataAt + padded(length);
  }
  return { datagrams, end: at };
}

/** What sendDatagrams of the addon takes. */
export function packDatagrams(datagrams: readonly Datagram[]): Uint8Array {
  let size = 0;
  for (const { bytes } of datagrams) size += HEADER_BYTES + padded(bytes.length);
  const packed = new Uint8Array(size);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const { peer, bytes } of datagrams) {
    if (peer.length > MAX_ADDRESS_BYTES) throw new RangeError("an address is too long");
    view.setUint32(at + 8, bytes.length, IS_LITTLE_ENDIAN);
    view.setUint32(at + 12, peer.length, IS_LITTLE_ENDIAN);
    packed.set(peer, at + ADDRESS_AT);
    packed.set(bytes, at + HEADER_BYTES);
    at += HEADER_BYTES + padded(bytes.length);
  }
  return packed;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
