import { children, fieldsOf, text } from "../../client/fields.ts";
import type { Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { imagePath } from "./path.ts";

export function command(): Command {
  return {
    usage: "[IMAGE [DIRECTORY]]",
    flags: new FlagSet(),
    arguments: { least: 0, most: 2 },
    async run(cli, [name, directory]) {
      const engine = await cli.engine();
      if (name === undefined) {
        const answer = await engine.json({ method: "GET", path: "/images/mounts" });
        for (const mount of children({ mounts: answer }, "mounts"))
          await cli.print(`${text(mount, "Id").slice("sha256:".length, 19)}  ${text(mount, "Mountpoint")}`);
        return 0;
      }
      const { resolve } = await import("node:path");
      const { readlink } = await import("node:fs/promises");
      const query = {
        directory: directory === undefined ? undefined : resolve(cli.invocation.workingDirectory, directory),
        // A mount that we would not see is refused.
        namespace: await readlink("/proc/self/ns/mnt"),
      };
      const answer = await engine.json({ method: "POST", path: `${imagePath(name)}/mount`, query });
      await cli.print(text(fieldsOf(answer), "Mountpoint"));
      return 0;
    },
  };
}
