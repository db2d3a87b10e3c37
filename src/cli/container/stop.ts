import type { Command } from "../command.ts";
import { endCommand } from "./end-command.ts";

export function command(): Command {
  return endCommand("stop");
}
