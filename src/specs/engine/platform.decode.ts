/** Platforms in queries, where newer endpoints take them as JSON: `{"os":"linux","architecture":"arm64"}`. */
import { fail, messageOf } from "../../base/errors.ts";
import type { Platform } from "../oci-image/manifest.ts";
import { normalPlatform } from "../oci-image/platform.ts";
import { Fields, parseJson } from "./fields.decode.ts";

/** Throws `invalid_argument`. */
export function decodePlatform(text: string): Platform {
  try {
    const fields = new Fields(parseJson(text), "");
    const platform = {
      os: fields.str("os"),
      architecture: fields.str("architecture"),
      variant: fields.str("variant"),
    };
    if (platform.os === "" || platform.architecture === "")
      throw fail("invalid_argument", "both OS and Architecture must be provided");
    return normalPlatform(platform);
  } catch (error) {
    throw fail("invalid_argument", `invalid platform: "${text.slice(0, 100)}": ${messageOf(error)}`, error);
  }
}
