/** `gantry port --explain`: who reaches which port of a container, and why. */
import { child, children, type Fields, fieldsOf, flag, number, text, textList } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import { type ListSpec, printList } from "../output/list.ts";
import { plainText } from "../output/plain-text.ts";
import { segment } from "./each.ts";

/** One way to one port, with the container that it is of. */
interface Row {
  readonly container: string;
  readonly reach: Fields;
}

const SOURCES: ReadonlyMap<string, string> = new Map([
  ["loopback", "host (loopback)"],
  ["host", "host"],
  ["lan", "LAN"],
  ["network", "same network"],
  ["networks", "other networks"],
]);

/** `name` "": all containers that run. `isWanted`: of "80/tcp". */
export async function explainPorts(
  cli: Cli,
  name: string,
  isWanted: (port: string) => boolean,
  format: string,
): Promise<void> {
  const engine = await cli.engine();
  const names = name === "" ? await running(cli) : [name];
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const each of names) {
    const answer = fieldsOf(
      await engine.json({ method: "GET", path: `/containers/${segment(each)}/ports/explain` }),
    );
    const container = text(answer, "Name");
    for (const reach of children(answer, "Ports"))
      if (isWanted(text(reach, "Port"))) rows.push({ container, reach });
    notes.push(...textList(answer, "Notes").map((note) => `${container}: ${note}`));
  }
  await printList(cli, reachList(rows), { format, quiet: false });
  if (format === "" || format === "table")
    await cli.out.write(plainText(notes.map((note) => `${note}\n`).join("")));
}

async function running(cli: Cli): Promise<string[]> {
  const engine = await cli.engine();
  const answer = await engine.json({ method: "GET", path: "/containers/json" });
  const containers = Array.isArray(answer) ? answer.map((one) => child({ one }, "one")) : [];
  return containers.map((one) => text(one, "Id"));
}

export function reachList(rows: readonly Row[]): ListSpec<Row> {
  return {
    rows,
    fields: [
      { name: "Container", header: "CONTAINER", text: ({ container }) => container },
      { name: "Port", header: "PORT", text: ({ reach }) => text(reach, "Port") },
      { name: "Network", header: "NETWORK", text: ({ reach }) => text(reach, "Network") },
      { name: "IPVersion", header: "IP", text: ({ reach }) => `IPv${number(reach, "IPVersion")}` },
      {
        name: "From",
        header: "FROM",
        text: ({ reach }) => SOURCES.get(text(reach, "From")) ?? text(reach, "From"),
      },
      {
        name: "Reachable",
        header: "REACHED",
        text: ({ reach }) => (flag(reach, "Reachable") ? "yes" : "no"),
      },
      { name: "By", header: "BY", text: ({ reach }) => textList(reach, "By").join(", ") || "-" },
      { name: "Why", header: "WHY", text: ({ reach }) => text(reach, "Why") },
    ],
    columns: ["Container", "Port", "Network", "IPVersion", "From", "By", "Why"],
    identity: "Port",
    typeName: "*container.reachContext",
  };
}
