import { children, fieldsOf, text } from "../../client/fields.ts";
import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { distributionPath } from "../image/path.ts";
import { plainText } from "../output/plain-text.ts";
import { formatReference } from "../reference.ts";
import { registryAuth } from "../registry-auth.ts";
import { fullReference, refuseInsecure, referenceOf } from "./fetch.ts";
import { listDocument } from "./list-document.ts";
import { ManifestStore } from "./store.ts";

export function command(): Command {
  const flags = new FlagSet();
  const insecure = flags.bool("insecure", false, "Allow push to an insecure registry");
  const purge = flags.bool("purge", false, "Remove the local manifest list after push", { short: "p" });
  return {
    usage: "[OPTIONS] MANIFEST_LIST",
    flags,
    arguments: exactly(1),
    async run(cli, [listName = ""]) {
      refuseInsecure(insecure.value);
      const reference = referenceOf(listName);
      const list = fullReference(reference);
      const store = new ManifestStore((await cli.config()).directory);
      const images = await store.images(list);
      if (images.length === 0) throw new Exit(1, `${list} not found`);
      const { mediaType, text: document } = listDocument(images);
      const engine = await cli.engine();
      const answer = fieldsOf(
        await engine.json({
          method: "POST",
          path: `${distributionPath(formatReference(reference))}/manifest`,
          json: {
            MediaType: mediaType,
            Raw: Buffer.from(document).toString("base64"),
            Sources: images.map(({ ref }) => ref),
          },
          headers: await registryAuth(cli, reference.name),
        }),
      );
      for (const pushed of children(answer, "Pushed"))
        await cli.print(
          plainText(`Pushed ref ${text(pushed, "Ref")} with digest: ${text(pushed, "Digest")}`),
        );
      await cli.print(plainText(text(answer, "Digest")));
      if (purge.value) await store.remove(list);
      return 0;
    },
  };
}
