/** What the programs of this folder share: the engine that DOCKER_HOST names, and what its streams bring. */
import assert from "node:assert/strict";
import { finished, PassThrough, type Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import Docker from "dockerode";

export const docker = new Docker();
export const IMAGE = "busybox:latest";

/** On everything these programs make, so that nothing of a shared engine is listed or pruned by them. */
export const LABEL = "programs.dockerode";
export const LABELS = { [LABEL]: String(process.pid) };
export const OURS = { label: [`${LABEL}=${process.pid}`] };

export type Extra = Omit<Docker.ContainerCreateOptions, "Image" | "Cmd" | "Labels">;

export function create(command: string[], extra: Extra = {}): Promise<Docker.Container> {
  return docker.createContainer({ Image: IMAGE, Cmd: command, Labels: LABELS, ...extra });
}

export function shell(script: string, extra: Extra = {}): Promise<Docker.Container> {
  return create(["sh", "-c", script], extra);
}

/** A container that runs until it is told to end. */
export async function started(script: string, extra: Extra = {}): Promise<Docker.Container> {
  const container = await shell(script, extra);
  await container.start();
  return container;
}

/** After each test, also one that failed; containers may be on their way out by themselves. */
export async function removeAll(): Promise<void> {
  for (;;) {
    const left = await docker.listContainers({ all: true, filters: OURS });
    if (left.length === 0) return;
    for (const { Id } of left)
      await docker
        .getContainer(Id)
        .remove({ force: true, v: true })
        .catch(({ statusCode }) => assert.ok([404, 409].includes(statusCode)));
  }
}

export async function text(stream: NodeJS.ReadableStream): Promise<string> {
  return (await buffer(stream)).toString();
}

/** Both halves of a multiplexed stream, when it has ended. */
export async function halves(stream: NodeJS.ReadableStream): Promise<{ stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  docker.modem.demuxStream(stream, stdout, stderr);
  finished(stream as Readable, () => {
    stdout.end();
    stderr.end();
  });
  const [out, err] = await Promise.all([text(stdout), text(stderr)]);
  return { stdout: out, stderr: err };
}

/** The same of what came in one buffer. */
export function splitFrames(frames: Buffer): { stdout: string; stderr: string } {
  const found = { stdout: "", stderr: "" };
  for (let at = 0; at < frames.length; ) {
    const size = frames.readUInt32BE(at + 4);
    const half = frames[at] === 2 ? "stderr" : "stdout";
    found[half] += frames.subarray(at + 8, at + 8 + size).toString();
    at += 8 + size;
  }
  return found;
}

/** Objects of a stream of JSON lines, as they come. */
export async function* objects<T>(stream: NodeJS.ReadableStream): AsyncGenerator<T> {
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line) as T;
  }
}

/** Reads on until what was said contains `part`; everything until then. */
export async function readUntil(stream: Readable, part: string): Promise<string> {
  let said = "";
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    said += String(chunk);
    if (said.includes(part)) return said;
  }
  throw new Error(`the stream ended without ${JSON.stringify(part)}: ${said}`);
}
