/**
 * Sockets as the runtime does not offer them: read at the daemon's pace, adopted from elsewhere, made in another network
 * namespace. A part of the contract in `native.ts`. Descriptors stay the caller's; nothing here closes one, except as said.
 */
export interface Datagram {
  /** Whom it came from, or goes to: bytes that only the kernel reads. Empty: the socket's own peer. */
  readonly peer: Uint8Array;
  readonly bytes: Uint8Array;
}

export interface DatagramReader {
  /** Valid for the call and after it. At most 32 at a time; longer ones than 4096 bytes never come. */
  batch(datagrams: readonly Datagram[]): void;
  /** The kernel reported an error (`code`: "ECONNREFUSED" …); the socket is not watched any more. */
  ended(error: Error): void;
}

export interface ConnectionReader {
  /** A new connection, close-on-exec and non-blocking, that the reader owns. */
  connection(fd: number): void;
  ended(error: Error): void;
}

export interface ConnectOptions {
  readonly transport: "udp" | "tcp";
  /** A socket in whose network namespace the new one is made; it may be closed as soon as the call has returned. */
  readonly like?: number | undefined;
  /** With a zone where it needs one: "fe80::1%eth0". */
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
}

export interface NativeSockets {
  /**
   * Reads a socket until `unwatch`, which must come before its descriptor is closed. One thread reads all of them, in turns of 32 datagrams, and hands over at most 256 at a time;
   * it goes on when those were taken. While the daemon is busy it reads nothing, and the kernel drops what does not fit its
   * buffers: however much comes, the event loop gets to everything else in between. A reader must not throw.
   */
  watchDatagrams(fd: number, reader: DatagramReader): void;

  /** Takes one connection from a listening socket, which is not watched any more then: whoever wants another asks again. */
  watchConnection(fd: number, reader: ConnectionReader): void;

  /** When it returns, nobody uses the descriptor, and the reader hears no more. Not watched is fine. */
  unwatch(fd: number): void;

  /** Sends without waiting and says how many the kernel took; the others are lost, as datagrams may be. */
  sendDatagrams(fd: number, datagrams: readonly Datagram[]): number;

  /**
   * A socket, the caller's, whose datagrams go to the unix socket `name`: a path, or `@` and an abstract name. Throws an errno error
   * when nobody is there.
   */
  connectUnixDatagram(name: string): number;

  /** What is still on its way: of TCP, bytes that the peer's kernel has not acknowledged; of a unix stream, that the peer has not read. */
  unsentBytes(fd: number): number;

  /** A connected, non-blocking socket with a port of the kernel's choice, which the caller owns. */
  connectSocket(options: ConnectOptions): Promise<number>;
}
