import { afterEach, expect, test } from "bun:test";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { connect } from "node:net";
import { join } from "node:path";
import { writeTar } from "../../base/tar-writer.ts";
import { makeAuthority } from "../../core/distribution/testing/certificates.ts";
import { cleanUp, FakeEngine, gantry, type Outcome, temporaryDirectory } from "../testing/fake-engine.ts";

afterEach(cleanUp);

const AA = "961b6dd3ede3cb8ecbaacbd68de040cd78eb2ed5889130cceb4c49268ea4d506";

class User {
  readonly home = temporaryDirectory();

  context(...words: string[]): Promise<Outcome> {
    return this.run({}, "context", ...words);
  }

  run(variables: Record<string, string>, ...words: string[]): Promise<Outcome> {
    return gantry(words, variables, this.home);
  }

  /** Below the configuration directory. */
  read(path: string): string {
    return readFileSync(join(this.home, ".docker", path), "utf8");
  }

  write(path: string, content: string | Uint8Array): string {
    const full = join(this.home, path);
    writeFileSync(full, content);
    return full;
  }
}

test("create keeps Docker's format, with the certificates for their owner alone", async () => {
  const user = new User();
  const [ca, cert, key] = ["ca", "cert", "key"].map((name) => user.write(name, `${name}!`));
  const endpoint = `host=tcp://1.2.3.4:5,ca=${ca},cert=${cert},key=${key}`;
  expect(await user.context("create", "aa", "--docker", endpoint, "--description", "some thing")).toEqual({
    status: 0,
    out: "aa\n",
    err: 'Successfully created context "aa"\n',
  });
  expect(user.read(`contexts/meta/${AA}/meta.json`)).toBe(
    '{"Name":"aa","Metadata":{"Description":"some thing"},"Endpoints":{"docker":{"Host":"tcp://1.2.3.4:5","SkipTLSVerify":false}}}',
  );
  expect(user.read(`contexts/tls/${AA}/docker/key.pem`)).toBe("key!");
  expect(statSync(join(user.home, `.docker/contexts/tls/${AA}/docker/key.pem`)).mode & 0o777).toBe(0o600);
  const { out } = await user.context("inspect", "aa");
  expect(JSON.parse(out)).toMatchObject([
    { Name: "aa", TLSMaterial: { docker: ["ca.pem", "cert.pem", "key.pem"] } },
  ]);
});

test("a context is copied, changed as a whole, and not made twice", async () => {
  const user = new User();
  const ca = user.write("ca", "ca!");
  await user.context("create", "aa", "--docker", `host=tcp://x,ca=${ca}`, "--description", "d");
  expect((await user.context("create", "aa")).err).toBe('context "aa" already exists\n');
  await user.context("create", "bb", "--from", "aa");
  await user.context("create", "cc", "--docker", "from=aa");
  const shown = "{{json .Metadata}} {{.Endpoints.docker.Host}} {{len .TLSMaterial}}";
  expect((await user.context("inspect", "-f", shown, "bb", "cc")).out).toBe(
    '{"Description":"d"} tcp://x 1\n{} tcp://x 1\n',
  );
  await user.context("update", "bb", "--description", "new");
  expect((await user.context("inspect", "-f", shown, "bb")).out).toBe('{"Description":"new"} tcp://x 1\n');
  await user.context("update", "bb", "--docker", "host=tcp://y,skip-tls-verify=true");
  expect((await user.context("inspect", "-f", shown, "bb")).out).toBe('{"Description":"new"} tcp://y 0\n');
});

test.each([
  [["create", "a"], 'context name "a" is invalid, names are validated against regexp'],
  [["create", "default"], '"default" is a reserved context name'],
  [
    ["create", "aa", "--docker", "host=tcp://x,nope=1"],
    "unable to create docker endpoint config: nope: unrecognized config key",
  ],
  [
    ["create", "aa", "--docker", "ca=/nope"],
    "unable to create docker endpoint config: open /nope: no such file or directory",
  ],
  [["create", "aa", "--docker", "host=ftp://x"], "invalid bind address format: ftp://x"],
  [["create", "aa", "--from", "bb", "--docker", "host=x"], "cannot use --docker flag when --from is set"],
  [["update", "aa", "--description", "x"], 'context "aa": context not found: open '],
  [["use", "aa"], 'context "aa": context not found: open '],
  [["rm", "aa"], 'context "aa" does not exist\n'],
  [["rm", "default"], 'default: context "default" cannot be removed\n'],
  [["export", "aa", "-"], 'context "aa": context not found: open '],
  [["import", "aa", "/nope"], "open /nope: no such file or directory\n"],
])("context %p is refused", async (words, message) => {
  const { status, out, err } = await new User().context(...words);
  expect([status, out]).toEqual([1, ""]);
  expect(err).toContain(message);
});

test("flags, DOCKER_HOST, DOCKER_CONTEXT and the configuration name the current one, in this order", async () => {
  const user = new User();
  await user.context("create", "aa", "--docker", "host=tcp://x");
  await user.context("create", "bb", "--docker", "host=tcp://y");
  const show = async (variables: Record<string, string>, ...flags: string[]): Promise<string> =>
    (await user.run(variables, ...flags, "context", "show")).out.trim();
  expect(await show({})).toBe("default");
  expect((await user.context("use", "aa")).err).toBe('Current context is now "aa"\n');
  expect(user.read("config.json")).toBe('{\n\t"currentContext": "aa"\n}\n');
  expect(await show({})).toBe("aa");
  expect(await show({ DOCKER_CONTEXT: "bb" })).toBe("bb");
  expect(await show({ DOCKER_CONTEXT: "bb", DOCKER_HOST: "tcp://z" })).toBe("default");
  expect(await show({ DOCKER_HOST: "tcp://z" }, "-c", "bb")).toBe("bb");
  expect((await user.run({ DOCKER_HOST: "tcp://z" }, "context", "use", "aa")).err).toContain(
    'Warning: DOCKER_HOST environment variable overrides the active context. To use "aa",',
  );
  expect((await user.run({}, "-c", "aa", "-H", "tcp://x", "ps")).err).toBe(
    "conflicting options: either specify --host or --context, not both\n",
  );
});

test("ls shows all of them, marks the current one, and has a row for one that is not there", async () => {
  const user = new User();
  await user.context("create", "a2", "--docker", "host=tcp://x", "--description", "d");
  await user.context("create", "a10", "--docker", "host=ssh://me@h");
  expect((await user.run({ DOCKER_CONTEXT: "a2" }, "context", "ls")).out).toBe(
    `NAME      DESCRIPTION                               DOCKER ENDPOINT                  ERROR
a2 *      d                                         tcp://x                          
a10                                                 ssh://me@h                       
default   Current DOCKER_HOST based configuration   unix:///run/gantry/gantry.sock   
`,
  );
  const missing = await user.run({ DOCKER_CONTEXT: "nope" }, "context", "ls", "--format", "json");
  expect(missing.out.trim().split("\n").at(-1)).toStartWith(
    '{"Name":"nope","Description":"","DockerEndpoint":"","Current":true,"Error":"context \\"nope\\": context not found: open',
  );
  expect((await user.context("ls", "-q")).out).toBe("a2\na10\ndefault\n");
  const marks = await user.context("ls", "--format", "{{.Name}}{{if .Current}}!{{end}}");
  expect(marks.out).toBe("a2\na10\ndefault!\n");
});

test("one in use is removed by force alone, and is then current no more", async () => {
  const user = new User();
  await user.context("create", "aa", "--docker", "host=tcp://x");
  await user.context("use", "aa");
  expect((await user.context("rm", "aa")).err).toBe('context "aa" is in use, set -f flag to force remove\n');
  expect(await user.context("rm", "-f", "aa")).toEqual({ status: 0, out: "aa\n", err: "" });
  expect(user.read("config.json")).toBe("{}\n");
  expect((await user.context("rm", "-f", "aa")).status).toBe(0);
});

test("a configuration that cannot be understood is not overwritten", async () => {
  const user = new User();
  await user.context("create", "aa", "--docker", "host=tcp://x");
  writeFileSync(join(user.home, ".docker/config.json"), "{broken");
  const { status, err } = await user.context("use", "aa");
  expect(status).toBe(1);
  expect(err).toContain(`cannot change ${join(user.home, ".docker/config.json")}`);
  expect(user.read("config.json")).toBe("{broken");
});

test("what is exported is imported with its certificates", async () => {
  const user = new User();
  const ca = user.write("ca", "ca!");
  await user.context("create", "aa", "--docker", `host=tcp://x,ca=${ca}`, "--description", "d");
  const file = join(user.home, "aa.tar");
  expect((await user.context("export", "aa", file)).err).toBe(`Written file "${file}"\n`);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((await user.context("export", "aa", file)).err).toBe(`open ${file}: file exists\n`);
  expect((await user.context("import", "bb", file)).out).toBe("bb\n");
  const shown = "{{.Name}} {{.Metadata.Description}} {{.Endpoints.docker.Host}} {{.TLSMaterial}}";
  expect((await user.context("inspect", "-f", shown, "bb")).out).toBe("bb d tcp://x map[docker:[ca.pem]]\n");
});

test.each([
  [
    [
      { name: "meta.json", content: "{}" },
      { name: "tls/docker/../../../x", content: "" },
    ],
    "unexpected context file",
  ],
  [[{ name: "../meta.json", content: "{}" }], "unexpected context file"],
  [[{ name: "meta.json", kind: "symlink", linkName: "/etc/shadow" } as const], "unexpected context file"],
  [[{ name: "tls/docker/ca.pem", content: "" }], "invalid context: no metadata found"],
  [[{ name: "meta.json", content: "[]" }], "parsing meta.json: it holds no object"],
])("an archive that is none of a context is refused: %#", async (items, message) => {
  const user = new User();
  const file = user.write("bad.tar", writeTar(items));
  const { status, err } = await user.context("import", "bb", file);
  expect([status, (await user.context("ls", "-q")).out]).toEqual([1, "default\n"]);
  expect(err).toContain(message);
});

test("a zip archive is refused by name", async () => {
  const user = new User();
  const file = user.write("x.zip", "PK\u0003\u0004 and so on");
  expect((await user.context("import", "bb", file)).err).toStartWith(
    "zip archives of contexts are not supported",
  );
});

test("commands about contexts ask no engine", async () => {
  let connections = 0;
  const server = createServer(() => connections++);
  const user = new User();
  const path = join(user.home, "s");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  await user.run({ DOCKER_HOST: `unix://${path}` }, "context", "ls");
  server.close();
  expect(connections).toBe(0);
});

test("an engine with TLS is reached by flags, by variables and by a context", async () => {
  using authority = makeAuthority();
  const engine = await new FakeEngine().start((_, response) => response.end("[]"));
  const tls = {
    ...authority.issue("IP:127.0.0.1"),
    ca: authority.cert,
    requestCert: true,
    rejectUnauthorized: true,
  };
  const server = createTlsServer(tls, (socket) => {
    const inner = connect(engine.socket);
    socket.pipe(inner).pipe(socket);
    socket.on("error", () => inner.destroy());
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const host = `tcp://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  const user = new User();
  mkdirSync(join(user.home, "certs"));
  const { cert, key } = authority.issue("DNS:client");
  const [ca, own, ownKey] = [
    user.write("certs/ca.pem", authority.cert),
    user.write("certs/cert.pem", cert),
    user.write("certs/key.pem", key),
  ];
  const flags = ["-H", host, "--tlsverify", "--tlscacert", ca, "--tlscert", own, "--tlskey", ownKey];
  expect((await user.run({}, ...flags, "ps", "-q")).status).toBe(0);
  const variables = { DOCKER_HOST: host, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: join(user.home, "certs") };
  expect((await user.run(variables, "ps", "-q")).status).toBe(0);
  await user.context("create", "aa", "--docker", `host=${host},ca=${ca},cert=${own},key=${ownKey}`);
  expect((await user.run({}, "-c", "aa", "ps", "-q")).status).toBe(0);
  expect(engine.calls).toHaveLength(3);

  using stranger = makeAuthority();
  const wrong = user.write("wrong.pem", stranger.cert);
  const refused = await user.run({}, ...flags, "--tlscacert", wrong, "ps");
  expect([refused.status, refused.out]).toEqual([1, ""]);
  expect(refused.err).toContain(`error during connect: ${host}: `);
  const nameless = await user.run({}, "-H", host, "--tlsverify", "--tlscacert", ca, "ps");
  expect(nameless.err).toBe(
    "error during connect: the engine refused the TLS connection: it wants a client certificate\n",
  );
  // The certificate is one for the address alone.
  const misnamed = await user.run({}, "-H", host.replace("127.0.0.1", "localhost"), ...flags.slice(2), "ps");
  expect([misnamed.status, misnamed.out]).toEqual([1, ""]);
  expect(misnamed.err).toContain("Hostname/IP does not match");
  expect(
    (await user.run({}, "-H", `unix://${engine.socket}`, "--tlsverify", "--tlscacert", ca, "ps")).err,
  ).toContain("TLS was asked for");
  server.close();
});
