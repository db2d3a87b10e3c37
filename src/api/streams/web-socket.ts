/** A connection as a WebSocket, seen as bytes from within: what clients send in messages, and messages of what is written. */
import { type Duplex, Transform, type Writable } from "node:stream";
import type { ByteStream } from "../reply.ts";
import { encodeFrame, FrameReader, OPCODE } from "./web-socket-frames.ts";

const NORMAL = Buffer.from([0x03, 0xe8]);
const PROTOCOL_ERROR = Buffer.from([0x03, 0xea]);
/** For what is on its way when we hang up. */
const LINGER_MS = 10_000;

/** `opcode`: of the messages that are sent. */
export function webSocketStream(socket: Duplex, opcode: number): ByteStream {
  const reader = new FrameReader();
  let isClosing = false;
  const sendClose = (reason: Uint8Array): void => {
    if (isClosing || !socket.writable) return;
    isClosing = true;
    socket.write(encodeFrame(OPCODE.close, reason));
  };
  const input = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (isClosing) {
        done();
        return;
      }
      try {
        for (const part of reader.push(chunk)) {
          if (part.opcode === OPCODE.ping) socket.write(encodeFrame(OPCODE.pong, part.payload));
          else if (part.opcode === OPCODE.close) {
            sendClose(part.payload.subarray(0, 2));
            this.push(null);
            socket.end();
            break;
          } else if (part.opcode !== OPCODE.pong && part.payload.length > 0) this.push(part.payload);
        }
        done();
      } catch {
        sendClose(PROTOCOL_ERROR);
        socket.end();
        done();
      }
    },
  });
  const output = new Transform({
    autoDestroy: false,
    transform(chunk: Buffer, _encoding, done) {
      done(null, encodeFrame(opcode, chunk));
    },
    flush(done) {
      if (isClosing) done();
      else {
        isClosing = true;
        done(null, encodeFrame(OPCODE.close, NORMAL));
      }
    },
    destroy(error, done) {
      const timer = setTimeout(() => socket.destroy(), LINGER_MS);
      timer.unref();
      socket.once("close", () => clearTimeout(timer));
      if (socket.writableFinished) socket.destroy();
      else socket.end(() => socket.destroy());
      done(error);
    },
  });
  socket.on("close", () => {
    input.destroy();
    output.destroy();
  });
  socket.pipe(input);
  output.pipe(socket);
  return { input, output };
}

/** What is written to the result goes on without the heads that tell output and errors apart: the client gets one stream. */
export function headless(output: Writable): Writable {
  const head = Buffer.alloc(8);
  let headBytes = 0;
  let left = 0;
  const stream = new Transform({
    autoDestroy: false,
    transform(chunk: Buffer, _encoding, done) {
      for (let at = 0; at < chunk.length; ) {
        if (left === 0) {
          const taken = chunk.copy(head, headBytes, at, at + head.length - headBytes);
          headBytes += taken;
          at += taken;
          if (headBytes === head.length) {
            headBytes = 0;
            left = head.readUInt32BE(4);
          }
          continue;
        }
        const piece = chunk.subarray(at, at + left);
        this.push(piece);
        left -= piece.length;
        at += piece.length;
      }
      done();
    },
    destroy(error, done) {
      output.destroy();
      done(error);
    },
  });
  output.on("close", () => stream.destroy());
  stream.pipe(output);
  return stream;
}
