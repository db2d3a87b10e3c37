import { standardInput } from "../../base/bun-stdio.ts";
import type { ByteStream } from "../../base/byte-stream.ts";
import type { Cli } from "../cli.ts";
import { type Command, NO_ARGUMENTS } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { connectError, dial } from "../hosts.ts";

/** Our standard streams and the engine's socket as one connection: the far end of ssh:// addresses. Starts no engine. */
export function command(): Command {
  return {
    usage: "",
    flags: new FlagSet(),
    arguments: NO_ARGUMENTS,
    async run(cli) {
      const address = await cli.address();
      let stream: ByteStream;
      try {
        stream = await dial(address);
      } catch (error) {
        throw connectError(address, error);
      }
      // The engine's end is the end: whoever called us may still have his side open.
      const sending = send(stream);
      sending.catch(() => stream.close());
      await receive(cli, stream);
      stream.close();
      return 0;
    },
  };
}

async function send(stream: ByteStream): Promise<void> {
  for await (const chunk of standardInput()) await stream.write(chunk);
  await stream.endWrite();
}

async function receive(cli: Cli, stream: ByteStream): Promise<void> {
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read())
    await cli.out.write(chunk);
}
