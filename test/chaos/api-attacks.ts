/** What is wrong below HTTP, or in its size: bytes on the engine's socket, and what must come of them. */
import { connect, type Socket } from "node:net";

/** How long an engine may take to answer or hang up. */
const PATIENCE_MS = 10_000;

export interface Attack {
  readonly what: string;
  readonly run: (socketPath: string) => Promise<void>;
}

export const ATTACKS: readonly Attack[] = [
  { what: "a body of 100 MB with its length", run: (path) => refused(path, hugeBody(true), 400) },
  { what: "a body of 100 MB in chunks", run: (path) => refused(path, hugeBody(false), 400) },
  {
    what: "a head of 2 MiB",
    run: (path) =>
      refused(path, [`GET /_ping HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(2 << 20)}\r\n\r\n`], undefined),
  },
  {
    what: "twenty thousand headers",
    run: (path) =>
      refused(
        path,
        [
          `GET /_ping HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 20_000 }, (_, i) => `X${i}: y\r\n`).join("")}\r\n`,
        ],
        undefined,
      ),
  },
  {
    what: "a length and chunks at the same time",
    run: (path) =>
      refused(
        path,
        [
          "POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
        400,
      ),
  },
  {
    what: "two lengths",
    run: (path) =>
      refused(
        path,
        ["POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"],
        400,
      ),
  },
  {
    what: "bytes that are no HTTP",
    run: (path) => refused(path, ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"], undefined),
  },
  {
    what: "two hundred clients that stop in the middle of a head",
    run: (path) => crowd(path, "GET /_ping HTTP/1.1\r\nHo"),
  },
  {
    what: "two hundred clients that stop in the middle of a body",
    run: (path) =>
      crowd(
        path,
        'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"Image":',
      ),
  },
  {
    what: "two hundred clients that ask for events and do not read",
    run: (path) => crowd(path, "GET /events?since=1 HTTP/1.1\r\nHost: x\r\n\r\n"),
  },
];

function* hugeBody(isDeclared: boolean): Generator<string> {
  const piece = "x".repeat(1 << 20);
  const framing = isDeclared ? `Content-Length: ${100 << 20}` : "Transfer-Encoding: chunked";
  yield `POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${framing}\r\n\r\n`;
  for (let i = 0; i < 100; i++) yield isDeclared ? piece : `${(1 << 20).toString(16)}\r\n${piece}\r\n`;
  if (!isDeclared) yield "0\r\n\r\n";
}

/** Throws when the engine neither answers nor hangs up, or answers with another status; undefined = any below 500. */
async function refused(
  socketPath: string,
  pieces: Iterable<string>,
  status: number | undefined,
): Promise<void> {
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  let text = "";
  let isOver = false;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const end = (): void => {
    isOver = true;
    resolve();
  };
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    if (text.includes("\r\n\r\n")) end();
  });
  for (const event of ["end", "close", "error"]) socket.on(event, end);
  const timer = setTimeout(end, PATIENCE_MS);
  try {
    for (const piece of pieces) {
      if (isOver) break;
      if (!socket.write(piece, "latin1")) await Promise.race([drained(socket), over]);
    }
    await over;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
  const answered = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
  const isFine =
    text === ""
      ? !socket.readable || status === undefined || isOver
      : status === undefined
        ? answered < 500
        : answered === status;
  if (!isFine) throw new Error(`answered ${JSON.stringify(text.slice(0, 200))}`);
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("drain", resolve));
}

/** They come, say something, stay a moment, and go without a word. */
async function crowd(socketPath: string, words: string): Promise<void> {
  const sockets = Array.from({ length: 200 }, () => {
    const socket = connect(socketPath);
    socket.on("error", () => socket.destroy());
    socket.write(words);
    socket.pause();
    return socket;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (const socket of sockets) socket.destroy();
}
