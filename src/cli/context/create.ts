import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { anyContext, defaultContext } from "./any.ts";
import { endpointFlag, readEndpoint } from "./endpoint-flag.ts";
import {
  checkName,
  type Context,
  contextDocument,
  descriptionOf,
  hostOf,
  isStored,
  skipsVerification,
  writeContext,
} from "./store.ts";

export function command(): Command {
  const flags = new FlagSet();
  const description = flags.string("description", "", "Description of the context");
  const docker = endpointFlag(flags);
  const from = flags.string("from", "", "Create the context from a named context");
  return {
    usage: "[OPTIONS] CONTEXT",
    flags,
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      const { directory } = await cli.config();
      checkName(name);
      if (await isStored(directory, name)) throw new Exit(1, `context "${name}" already exists`);
      if (from.value !== "" && docker.changed)
        throw new Exit(1, "cannot use --docker flag when --from is set");
      if (docker.changed) {
        const { tls, ...endpoint } = await readEndpoint(directory, docker.value);
        const document = contextDocument(name, description.value, endpoint);
        await writeContext(directory, { name, document, tls });
      } else {
        const other = from.value === "" ? await defaultContext(cli) : await anyContext(cli, from.value);
        await writeContext(directory, copyOf(other, name, description.value));
      }
      await cli.print(name);
      await cli.warn(`Successfully created context "${name}"`);
      return 0;
    },
  };
}

function copyOf(other: Context, name: string, description: string): Context {
  const endpoint = { host: hostOf(other), skipVerify: skipsVerification(other) };
  const text = description === "" ? descriptionOf(other) : description;
  return { name, document: contextDocument(name, text, endpoint, other.document), tls: other.tls };
}
