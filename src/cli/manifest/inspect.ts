import { fieldsOf } from "../../client/fields.ts";
import type { Cli } from "../cli.ts";
import type { Command } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { indentJson } from "../output/json-text.ts";
import { plainText } from "../output/plain-text.ts";
import type { Reference } from "../reference.ts";
import { fetchManifest, fullName, fullReference, isList, refuseInsecure, referenceOf } from "./fetch.ts";
import { listDocument } from "./list-document.ts";
import { decodePlatform, type ListedImage, ManifestStore, platformDocument } from "./store.ts";

export function command(): Command {
  const flags = new FlagSet();
  const insecure = flags.bool("insecure", false, "Allow communication with an insecure registry");
  const verbose = flags.bool("verbose", false, "Output additional info including layers and platform", {
    short: "v",
  });
  return {
    usage: "[OPTIONS] [MANIFEST_LIST] MANIFEST",
    flags,
    arguments: { least: 1, most: 2 },
    async run(cli, names) {
      refuseInsecure(insecure.value);
      const store = new ManifestStore((await cli.config()).directory);
      const [first = "", second] = names;
      const images = await store.images(fullReference(referenceOf(first)));
      let output: string;
      if (second !== undefined) {
        const reference = referenceOf(second);
        const image = images.find(
          ({ ref, digest }) =>
            ref.startsWith(`${fullName(reference)}@`) &&
            (reference.digest === "" || digest === reference.digest),
        );
        if (image === undefined) throw new Exit(1, `No such manifest: ${fullReference(reference)}`);
        output = verbose.value ? verboseText([image], false) : image.raw.toString("utf8");
      } else if (images.length > 0)
        output = verbose.value ? verboseText(images, true) : listDocument(images).text;
      else output = await remoteText(cli, referenceOf(first), verbose.value);
      await cli.print(plainText(output));
      return 0;
    },
  };
}

async function remoteText(cli: Cli, reference: Reference, isVerbose: boolean): Promise<string> {
  const manifest = await fetchManifest(cli, reference);
  if (!isVerbose) return manifest.raw.toString("utf8");
  const [platform] = manifest.platforms;
  if (!isList(manifest.mediaType)) {
    if (platform === undefined) throw new Exit(1, "the registry's manifest has no platform");
    return verboseText([{ ...manifest, platform }], false);
  }
  const images: ListedImage[] = [];
  for (const entry of manifestsIn(manifest.raw)) {
    const image = await fetchManifest(cli, { ...reference, tag: "", digest: entry.digest });
    images.push({ ...image, platform: entry.platform });
  }
  return verboseText(images, true);
}

function manifestsIn(raw: Buffer) {
  const document = fieldsOf(JSON.parse(raw.toString("utf8")));
  const manifests = document["manifests"];
  return (Array.isArray(manifests) ? manifests : []).map((entry) => {
    const fields = fieldsOf(entry);
    const { digest } = fields;
    return {
      digest: typeof digest === "string" ? digest : "",
      platform: decodePlatform(fieldsOf(fields["platform"])),
    };
  });
}

function verboseText(images: readonly ListedImage[], isInList: boolean): string {
  const documents = images.map(({ ref, mediaType, digest, sizeBytes, platform, raw }) => ({
    Ref: ref,
    Descriptor: { mediaType, digest, size: sizeBytes, platform: platformDocument(platform) },
    Raw: raw.toString("base64"),
    [mediaType.includes("oci") ? "OCIManifest" : "SchemaV2Manifest"]: JSON.parse(raw.toString("utf8")),
  }));
  return indentJson(JSON.stringify(isInList ? documents : documents[0]));
}
