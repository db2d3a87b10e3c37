/** Whether a link has IPv6. Only who has asked for it gets it, and nobody takes routers' word for his addresses and routes. */
import { errnoOf } from "../../base/errors.ts";
import type { Subnet } from "./addresses.ts";
import type { Kernel } from "./own-links.ts";

/** To be called before the link is up: then it would give itself an address. A kernel without any IPv6 has no such settings. */
export async function writeIpv6Settings(
  native: Kernel,
  namespace: number | undefined,
  link: string,
  addresses: readonly Subnet[],
): Promise<void> {
  const on = addresses.some(({ address }) => address.length === 16);
  // Docker leaves routers' advertisements to the kernel's default inside containers, which is to believe them.
  const settings = [
    ["accept_ra", "0"],
    ["disable_ipv6", on ? "0" : "1"],
  ] as const;
  try {
    await native.writeNetSettings(
      namespace,
      settings.map(([name, value]) => [`net/ipv6/conf/${link}/${name}`, value] as const),
    );
  } catch (error) {
    if (on || errnoOf(error) !== "ENOENT") throw error;
  }
}

/** The host passes packets on between its links. */
export async function enableForwarding(
  native: Kernel,
  namespace: number | undefined,
  family: "ipv4" | "ipv6",
): Promise<void> {
  const settings: readonly (readonly [string, string])[] =
    family === "ipv4"
      ? [["net/ipv4/ip_forward", "1"]]
      : [
          ["net/ipv6/conf/default/forwarding", "1"],
          ["net/ipv6/conf/all/forwarding", "1"],
        ];
  await native.writeNetSettings(namespace, settings);
}
