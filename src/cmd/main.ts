/**
 * The one executable: the name it is called by says which program it is, `gantry`, `gantryd`, `gantry-runc` or `gantry-client`. Where the
 * name cannot be chosen (from sources: `bun src/cmd/main.ts`), the first word `daemon` or `runtime` says it. `registry` is a
 * server, too, and has no other name.
 */
const compiled = import.meta.url.includes("/$bunfs/");
const words = process.argv.slice(2);
const calledBy = process.argv0.slice(process.argv0.lastIndexOf("/") + 1);

if (calledBy === "gantryd" || words[0] === "daemon") {
  const { runDaemon } = await import("./run-daemon.ts");
  await runDaemon(words[0] === "daemon" ? words.slice(1) : words);
} else if (calledBy === "gantry-runc" || words[0] === "runtime") {
  const { runRuntime } = await import("./runtime.ts");
  await runRuntime(words[0] === "runtime" ? words.slice(1) : words);
} else if (calledBy === "gantry-client") {
  const { runResidentClient } = await import("./resident-client.ts");
  await runResidentClient(words);
} else if (words[0] === "registry") {
  const { runRegistry } = await import("./registry.ts");
  await runRegistry(words.slice(1));
} else {
  const { runCli } = await import("./cli.ts");
  const script = process.argv[1];
  await runCli(words, {
    file: process.execPath,
    argv0: "gantryd",
    words: compiled || script === undefined ? ["daemon"] : [script, "daemon"],
  });
}
