import { describe, expect, test } from "bun:test";
import { compileTemplate } from "./template.ts";
import { TemplateError } from "./template-error.ts";

const DATA = {
  Name: "/web",
  State: { Status: "running", Running: true, Paused: false, ExitCode: 0, Error: "" },
  Args: ["-c", "x"],
  Config: { Labels: { "c.d-e": "f", a: "b" }, Env: null, Image: "busybox" },
  Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }], "443/tcp": null },
  Size: 2026481,
  "weird key": 1,
};

function render(source: string, data: unknown = DATA): string {
  try {
    return compileTemplate(source, "").execute(data);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return `${error.phase}: ${error.message}`;
  }
}

const GOLDEN: [string, string][] = [
  ["plain", "plain"],
  ["{{.Name}}", "/web"],
  ["{{ .State.Status }}-{{.State.ExitCode}}", "running-0"],
  ["a  {{- .Size -}}  b", "a2026481b"],
  ["x{{/* comment */}}y", "xy"],
  ["{{if .State.Running}}up{{else}}down{{end}}", "up"],
  ["{{if .State.Paused}}p{{else if .State.Running}}r{{else}}n{{end}}", "r"],
  ["{{if and .State.Running (not .State.Paused)}}yes{{end}}", "yes"],
  ["{{range .Args}}[{{.}}]{{end}}", "[-c][x]"],
  ["{{range $i, $a := .Args}}{{$i}}={{$a}} {{end}}", "0=-c 1=x "],
  ["{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}},{{end}}", "a:b,c.d-e:f,"],
  ["{{range .Config.Env}}x{{else}}none{{end}}", "none"],
  ['{{range .Args}}{{if eq . "x"}}{{break}}{{end}}{{.}}{{end}}', "-c"],
  ['{{range .Args}}{{if eq . "-c"}}{{continue}}{{end}}{{.}}{{end}}', "x"],
  ["{{with .Config}}{{.Image}} {{$.Name}}{{end}}", "busybox /web"],
  ["{{with $x := .Name}}{{$x}}{{end}}", "/web"],
  ["{{$x := 1}}{{$x = 2}}{{$x}}", "2"],
  ['{{index .Config.Labels "c.d-e"}}|{{index .Config.Labels "zz"}}|{{index .Args 1}}', "f||x"],
  ['{{(index (index .Ports "80/tcp") 0).HostPort}}', "8080"],
  ["{{json .Config.Labels}}", '{"c.d-e":"f","a":"b"}'],
  ['{{json "<&>"}}', '"\\u003c\\u0026\\u003e"'],
  [
    '{{join .Args ","}} {{split "a,b" ","}} {{title "abc def"}} {{upper "a"}} {{lower "B"}}',
    "-c,x [a b] Abc Def A b",
  ],
  ['{{pad "x" 2 3}}|{{truncate "abcdef" 3}}|{{len .Args}}|{{len "é"}}', "  x   |abc|2|2"],
  [
    '{{printf "%q %5d|%-5s|%v|%05d|%x|%T|%%" .Name 7 "a" .Args 42 255 1}}',
    '"/web"     7|a    |[-c x]|00042|ff|int|%',
  ],
  ['{{.Name | printf "%s-%s" "a"}}', "a-/web"],
  ['{{println "x" 1}}', "x 1\n"],
  ['{{print 1 2 "a" "b" 3}}', "1 2a b3".replace("a b", "ab")],
  [
    '{{eq .Name "a" "/web"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt "b" "a"}} {{ge 1 2}}',
    "true true true true true false",
  ],
  ['{{or "" "d"}} {{and 1 0}} {{not true}}', "d 0 false"],
  ["{{.Config.Labels}} {{.Args}} {{.State.Running}}", "map[a:b c.d-e:f] [-c x] true"],
  ['{{.Config.Env}} {{nil | printf "%v"}}', "[] <nil>"],
  ['{{`raw {{ "text`}}', 'raw {{ "text'],
  ['{{"a\\tb\\u00e9"}}', "a\tbé"],
];

const FAILING: [string, string][] = [
  ["{{.Foo}}", 'execute: template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"'],
  ["ab {{.Foo}}", 'execute: template: :1:5: executing "" at <.Foo>: map has no entry for key "Foo"'],
  [
    "{{.__proto__}}",
    'execute: template: :1:2: executing "" at <.__proto__>: map has no entry for key "__proto__"',
  ],
  [
    "{{.constructor}}",
    'execute: template: :1:2: executing "" at <.constructor>: map has no entry for key "constructor"',
  ],
  [
    "{{index .Args 7}}",
    'execute: template: :1:2: executing "" at <index .Args 7>: error calling index: index out of range: 7',
  ],
  [
    "{{.Config.Image.Foo}}",
    'execute: template: :1:9: executing "" at <.Config.Image.Foo>: can\'t evaluate field Foo in type interface {}',
  ],
  ["{{", "parse: template: :1: unclosed action"],
  ["{{.A", "parse: template: :1: unclosed action"],
  ["a\n{{.A", "parse: template: :2: unclosed action"],
  ["{{foo .A}}", 'parse: template: :1: function "foo" not defined'],
  ["{{.A | foo}}", 'parse: template: :1: function "foo" not defined'],
  ["{{end}}", "parse: template: :1: unexpected {{end}}"],
  ["{{if}}{{end}}", "parse: template: :1: missing value for if"],
  ["{{range .A}}", "parse: template: :1: unexpected EOF"],
  ["{{$x}}", 'parse: template: :1: undefined variable "$x"'],
  ["{{}}", "parse: template: :1: missing value for command"],
  ['{{define "x"}}{{end}}', "parse: template: :1: {{define}} is not supported in a format"],
  ["{{break}}", "parse: template: :1: {{break}} outside {{range}}"],
  ['{{"a}}', "parse: template: :1: unclosed action"],
];

test("fields answer to Go's names, too, and ports and mounts print as Go's structs", () => {
  const document = {
    Id: "0e9f",
    ApiVersion: "1.51",
    Ports: { "80/tcp": [{ HostIp: "::", HostPort: "8080" }] },
    Mounts: [{ Type: "bind", Source: "/a", Destination: "/b", Mode: "", RW: true, Propagation: "rprivate" }],
    Other: { Type: "x", More: 1 },
  };
  expect(render("{{.ID}} {{.Id}} {{.APIVersion}} {{.Ports}}", document)).toBe(
    "0e9f 0e9f 1.51 map[80/tcp:[{:: 8080}]]",
  );
  expect(render('{{(index (index .Ports "80/tcp") 0).HostIP}}', document)).toBe("::");
  expect(render("{{.Mounts}} {{.Other}}", document)).toBe(
    "[{bind  /a /b   true rprivate}] map[More:1 Type:x]",
  );
});

describe("templates", () => {
  for (const [source, expected] of [...GOLDEN, ...FAILING])
    test(source, () => {
      expect(render(source)).toBe(expected);
    });

  test("a list row answers by its fields and look-ups, and prints as JSON with sorted names", () => {
    const row = {
      kind: "record",
      typeName: "*formatter.ContainerContext",
      fields: new Map([
        ["Names", () => "web"],
        ["ID", () => "0e9f"],
      ]),
      lookups: new Map([["Label", (name: string) => `<${name}>`]]),
    } as const;
    expect(render('{{.ID}} {{.Label "a.b"}} {{upper .Names}}', row)).toBe("0e9f <a.b> WEB");
    expect(render("{{json .}}", row)).toBe('{"ID":"0e9f","Names":"web"}');
    expect(render("{{.Foo}}", row)).toBe(
      'execute: template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in type *formatter.ContainerContext',
    );
    expect(render("{{.ID.Foo}}", row)).toBe(
      'execute: template: :1:5: executing "" at <.ID.Foo>: can\'t evaluate field Foo in type string',
    );
    expect(compileTemplate("{{upper .Names}}\t{{.ID}}", "").header(row)).toBe("web\t0e9f");
  });
});
