import { type Command, exactly } from "../command.ts";
import { FlagSet } from "../flags.ts";
import { endpointFlag, readEndpoint } from "./endpoint-flag.ts";
import {
  checkName,
  contextDocument,
  descriptionOf,
  hostOf,
  readContext,
  skipsVerification,
  writeContext,
} from "./store.ts";

export function command(): Command {
  const flags = new FlagSet();
  const description = flags.string("description", "", "Description of the context");
  const docker = endpointFlag(flags);
  return {
    usage: "[OPTIONS] CONTEXT",
    flags,
    arguments: exactly(1),
    async run(cli, [name = ""]) {
      const { directory } = await cli.config();
      checkName(name);
      const before = await readContext(directory, name);
      // An endpoint is replaced as a whole, with its certificates.
      const endpoint = docker.changed
        ? await readEndpoint(directory, docker.value)
        : { host: hostOf(before), skipVerify: skipsVerification(before), tls: before.tls };
      const { tls, host, skipVerify } = endpoint;
      const text = description.changed ? description.value : descriptionOf(before);
      const document = contextDocument(name, text, { host, skipVerify }, before.document);
      await writeContext(directory, { name, document, tls });
      await cli.print(name);
      await cli.warn(`Successfully updated context "${name}"`);
      return 0;
    },
  };
}
