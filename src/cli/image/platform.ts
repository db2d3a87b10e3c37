import { Exit } from "../exit.ts";

/** `linux/arm64/v8` as newer endpoints take it; undefined for none. */
export function platformQuery(text: string): string | undefined {
  if (text === "") return undefined;
  const [os = "", architecture = "", variant = "", ...more] = text.toLowerCase().split("/");
  if (os === "" || architecture === "" || more.length > 0)
    throw new Exit(1, `invalid platform: "${text}": expected OS/ARCHITECTURE[/VARIANT], such as linux/arm64`);
  return JSON.stringify({ os, architecture, ...(variant && { variant }) });
}
