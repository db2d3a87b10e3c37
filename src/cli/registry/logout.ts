import { messageOf } from "../../base/errors.ts";
import type { Command } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { keyOfServer } from "./account-key.ts";
import { eraseAccount } from "./keep.ts";

export function command(): Command {
  return {
    usage: "[SERVER]",
    flags: new FlagSet(),
    arguments: { least: 0, most: 1 },
    async run(cli, [server = ""]) {
      const key = keyOfServer(server);
      await cli.print(`Removing login credentials for ${key}`);
      try {
        await eraseAccount(cli, key);
      } catch (error) {
        await cli.warn(`WARNING: could not erase credentials:\n${key}: ${messageOf(error)}`);
      }
      return 0;
    },
  };
}
