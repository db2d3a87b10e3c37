import { errnoOf, messageOf } from "../../base/errors.ts";
import { type TarItem, writeTar } from "../../base/tar-writer.ts";
import { type Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { isTerminal } from "../terminal.ts";
import { anyContext } from "./any.ts";
import type { Context } from "./store.ts";

export function command(): Command {
  return {
    usage: "CONTEXT [FILE|-]",
    flags: new FlagSet(),
    arguments: { least: 1, most: 2 },
    async run(cli, [name = "", file = `${name}.dockercontext`]) {
      const archive = contextArchive(await anyContext(cli, name));
      if (file === "-") {
        if (await isTerminal(1))
          throw new Exit(1, "cowardly refusing to export to a terminal, specify a file path");
        await cli.out.write(archive);
        return 0;
      }
      await writeNew(file, archive);
      await cli.warn(`Written file "${file}"`);
      return 0;
    },
  };
}

/** Certificates and keys among it: for the owner alone, as the file is. */
function contextArchive({ document, tls }: Context): Buffer {
  const items: TarItem[] = [
    { name: "meta.json", content: JSON.stringify(document), mode: 0o644 },
    { name: "tls", kind: "directory", mode: 0o700 },
  ];
  if (tls.size > 0) items.push({ name: "tls/docker", kind: "directory", mode: 0o700 });
  for (const [file, pem] of tls) items.push({ name: `tls/docker/${file}`, content: pem, mode: 0o600 });
  return writeTar(items);
}

async function writeNew(path: string, bytes: Buffer): Promise<void> {
  const { open } = await import("node:fs/promises");
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new Exit(1, `open ${path}: ${errnoOf(error) === "EEXIST" ? "file exists" : messageOf(error)}`);
  }
}
