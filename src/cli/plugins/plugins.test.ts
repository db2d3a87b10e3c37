import { afterEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp, gantry, type Outcome, temporaryDirectory } from "../testing/fake-engine.ts";

afterEach(cleanUp);

const METADATA = { SchemaVersion: "0.1.0", Vendor: "Me", Version: "v1", ShortDescription: "Says hi" };

class User {
  readonly home = temporaryDirectory();
  readonly said = join(this.home, "said");

  run(variables: Record<string, string>, ...words: string[]): Promise<Outcome> {
    return gantry(words, { PATH: "/usr/bin:/bin", ...variables }, this.home);
  }

  /** What it says of itself; everything else it writes into a file, and exits with 7. */
  plugin(name: string, metadata: unknown = METADATA, directory = ".docker/cli-plugins"): void {
    const path = join(this.home, directory);
    mkdirSync(path, { recursive: true });
    const json = JSON.stringify(metadata);
    writeFileSync(
      join(path, `docker-${name}`),
      `#!/bin/sh
[ "$1" = docker-cli-plugin-metadata ] && { echo '${json}'; exit 0; }
echo "$*|$DOCKER_HOST|$DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND" > '${this.said}'
exit 7
`,
    );
    chmodSync(join(path, `docker-${name}`), 0o755);
  }

  configure(document: object): void {
    mkdirSync(join(this.home, ".docker"), { recursive: true });
    writeFileSync(join(this.home, ".docker/config.json"), JSON.stringify(document));
  }

  heard(): string {
    return readFileSync(this.said, "utf8").trim();
  }
}

test("a word that is no command of ours runs the plugin of that name, with all words and the way to our engine", async () => {
  const user = new User();
  user.plugin("hi");
  expect((await user.run({}, "-D", "hi", "a", "--b", "--help")).status).toBe(7);
  expect(user.heard()).toBe("-D hi a --b --help|unix:///run/gantry/gantry.sock|gantry");
  await user.run({ DOCKER_HOST: "tcp://x" }, "help", "hi");
  expect(user.heard()).toBe("help hi|tcp://x|gantry");
});

test("the configuration names more directories, and the alias that Docker allows", async () => {
  const user = new User();
  user.plugin("hi", METADATA, "more");
  user.configure({ cliPluginsExtraDirs: [join(user.home, "more")], aliases: { builder: "hi" } });
  expect((await user.run({}, "builder", "x")).status).toBe(7);
  expect(user.heard()).toStartWith("hi x|");
  user.configure({ aliases: { other: "hi" } });
  expect((await user.run({}, "other")).err).toBe('not allowed to alias "other" (allowed: builder)\n');
});

test("what says nothing valid of itself is no plugin, and the help says why", async () => {
  const user = new User();
  user.plugin("hi");
  user.plugin("bad", { ...METADATA, SchemaVersion: "9" });
  user.plugin("anon", { SchemaVersion: "0.1.0" });
  user.plugin("Upper");
  user.plugin("ps");
  expect(await user.run({}, "bad")).toMatchObject({ status: 1, out: "" });
  expect(existsSync(user.said)).toBe(false);
  const { out } = await user.run({}, "--help");
  expect(out).toContain("\n  hi*         Says hi\n");
  expect(out).toContain(`
Invalid Plugins:
  Upper       plugin candidate "Upper" did not match "^[a-z][a-z0-9]*$"
  anon        plugin metadata does not define a vendor
  bad         plugin SchemaVersion "9" is not valid, must be 0.1.0
  ps          plugin "ps" duplicates builtin command
`);
});

test("a command of ours stays ours", async () => {
  const user = new User();
  user.plugin("ps");
  await user.run({ DOCKER_HOST: "unix:///nonexistent/s" }, "ps");
  expect(existsSync(user.said)).toBe(false);
});
