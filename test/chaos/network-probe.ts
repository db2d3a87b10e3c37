/**
 * `bun network-probe.ts QUESTIONS`: asks them all at the same time in the network namespace that it runs in, and prints the
 * answers: JSON, both.
 */
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { request } from "node:http";
import { createServer } from "node:net";

export type Question =
  /** What the page there says. */
  | { readonly kind: "page"; readonly address: string; readonly port: number }
  /** The addresses that the name server of containers knows, sorted. */
  | { readonly kind: "name"; readonly name: string }
  /** "free", "taken", or what is wrong with the host. */
  | { readonly kind: "port"; readonly protocol: "tcp" | "udp"; readonly port: number };

const PATIENCE_MS = 1000;

function page(address: string, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const call = request({ host: address, port, agent: false }, (response) => {
    let text = "";
    response.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    response.on("end", () => resolve(text.trim()));
  });
  setTimeout(() => {
    resolve("failed: nobody answers");
    call.destroy();
  }, PATIENCE_MS);
  call.on("error", (error) => resolve(`failed: ${error.message}`));
  call.end();
  return promise;
}

async function named(name: string): Promise<string> {
  const resolver = new Resolver({ timeout: PATIENCE_MS, tries: 1 });
  resolver.setServers(["127.0.0.11"]);
  const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return found
    .flatMap((one) => (one.status === "fulfilled" ? one.value : []))
    .sort()
    .join(" ");
}

function bound(protocol: "tcp" | "udp", port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const refused = (error: Error): void =>
    resolve(error.message.includes("EADDRINUSE") ? "taken" : error.message);
  if (protocol === "udp") {
    const socket = createSocket("udp4");
    socket.on("error", refused);
    socket.bind(port, "0.0.0.0", () => socket.close(() => resolve("free")));
  } else {
    const server = createServer();
    server.on("error", refused);
    server.listen(port, "0.0.0.0", () => server.close(() => resolve("free")));
  }
  return promise;
}

function answer(question: Question): Promise<string> {
  if (question.kind === "page") return page(question.address, question.port);
  return question.kind === "name" ? named(question.name) : bound(question.protocol, question.port);
}

if (import.meta.main) {
  const questions: readonly Question[] = JSON.parse(process.argv[2] ?? "[]");
  console.log(JSON.stringify(await Promise.all(questions.map(answer))));
  process.exit(0);
}
