import { expect, test } from "bun:test";
import { decodeContainerCreate } from "./container.decode.ts";
import { decodeExecCreate, decodeExecStart } from "./exec.decode.ts";
import { asString, Fields } from "./fields.decode.ts";
import { schemaOf } from "./probe.ts";
import { decodeContainerUpdate } from "./update.decode.ts";

test("a decoder tells what it reads", () => {
  const schema = schemaOf((document) => {
    const fields = new Fields(document, "");
    fields.str("Text");
    fields.int("Count");
    fields.boolOrNull("Flag");
    fields.strings("Names");
    fields.stringsOrOne("Command");
    fields.stringMap("Labels");
    fields.set("Ports");
    fields.oneOf("Kind", ["a", "b"], () => "wrong");
    fields.object("Inner")?.list("Rows", (row, path) => asString(new Fields(row, path).raw("Cell"), path));
    return fields.has("Absent") ? fields.str("Never") : "";
  });
  expect(schema).toEqual({
    type: "object",
    properties: {
      Text: { type: "string" },
      Count: { type: "integer" },
      Flag: { type: "boolean" },
      Names: { type: "array", items: { type: "string" } },
      Command: { oneOf: [{ type: "array", items: { type: "string" } }, { type: "string" }] },
      Labels: { type: "object", additionalProperties: { type: "string" } },
      Ports: { type: "object", additionalProperties: {} },
      Kind: { type: "string", enum: ["a", "b"] },
      Inner: {
        type: "object",
        properties: {
          Rows: { type: "array", items: { type: "object", properties: { Cell: { type: "string" } } } },
        },
      },
    },
  });
});

test("the decoders of containers and execs can be asked", () => {
  const create = schemaOf(decodeContainerCreate).properties ?? {};
  expect(create["Cmd"]).toBeDefined();
  expect(create["HostConfig"]?.properties?.["Memory"]).toEqual({ type: "integer" });
  expect(create["HostConfig"]?.properties?.["PortBindings"]?.additionalProperties?.items?.properties).toEqual(
    {
      HostIp: { type: "string" },
      HostPort: { type: "string" },
    },
  );
  expect(schemaOf(decodeContainerUpdate).properties?.["Networking"]?.properties?.["RateIn"]).toEqual({
    type: "integer",
  });
  expect(schemaOf(decodeExecCreate).properties?.["WorkingDir"]).toEqual({ type: "string" });
  expect(schemaOf(decodeExecStart).properties?.["Detach"]).toEqual({ type: "boolean" });
});
