import { type Command, exactly } from "../command.ts";
import { Exit } from "../exit.ts";
import { FlagSet } from "../flags.ts";
import { fetchManifest, fullName, fullReference, referenceOf } from "./fetch.ts";
import { ManifestStore } from "./store.ts";

export function command(): Command {
  const flags = new FlagSet();
  const arch = flags.string("arch", "", "Set architecture");
  const os = flags.string("os", "", "Set operating system");
  const osFeatures = flags.list("os-features", "Set operating system feature", { valueName: "strings" });
  const osVersion = flags.string("os-version", "", "Set operating system version");
  const variant = flags.string("variant", "", "Set architecture variant");
  return {
    usage: "[OPTIONS] MANIFEST_LIST MANIFEST",
    flags,
    arguments: exactly(2),
    async run(cli, [listName = "", imageName = ""]) {
      const list = fullReference(referenceOf(listName));
      const store = new ManifestStore((await cli.config()).directory);
      const images = await store.images(list);
      if (images.length === 0) throw new Exit(1, `manifest for list ${list} does not exist`);
      const reference = referenceOf(imageName);
      // A list knows images by digest; what a tag means is the registry's to say.
      const digest = reference.digest || (await fetchManifest(cli, reference)).digest;
      const image = images.find(({ ref }) => ref === `${fullName(reference)}@${digest}`);
      if (image === undefined)
        throw new Exit(1, `manifest for image ${fullReference(reference)} does not exist in ${list}`);
      const features = osFeatures.value.flatMap((text) => text.split(","));
      const platform = {
        os: os.value || image.platform.os,
        architecture: arch.value || image.platform.architecture,
        variant: variant.value || image.platform.variant,
        osVersion: osVersion.value || image.platform.osVersion,
        osFeatures: features.length > 0 ? features : image.platform.osFeatures,
      };
      if (platform.os === "" || platform.architecture === "")
        throw new Exit(
          1,
          `manifest entry for image has unsupported os/arch combination: ${platform.os}/${platform.architecture}`,
        );
      await store.put(list, { ...image, platform });
      return 0;
    },
  };
}
