/** Links of the host that are ours and belong to nobody any more. */
import { type Kernel, listOwn, removeListed } from "../../linux/netlink/own-links.ts";
import { TEMPORARY_PREFIX } from "../../linux/netlink/host-links.ts";
import { endpointMark, MARK, networkMark } from "./link-names.ts";
import type { Networks } from "./networks.ts";

/** Names that only we give: of ports, of what shapes their traffic, and of what is not finished yet. */
const NAMES = ["gv", "gi", TEMPORARY_PREFIX];

/** Returns the names of those that were deleted. `host`: undefined = this process's network namespace. */
export async function sweepLinks(
  native: Kernel,
  host: number | undefined,
  networks: Pick<Networks, "all" | "endpoints">,
): Promise<readonly string[]> {
  const wanted = new Set([
    ...networks.all().map(({ id }) => networkMark(id)),
    ...networks.endpoints().map(({ container, id }) => endpointMark(container, id)),
  ]);
  const names = NAMES.map((prefix) => new RegExp(`^${prefix}[0-9a-f]{12}$`));
  const removed: string[] = [];
  for (const link of await listOwn(native, host, { alias: MARK, names: NAMES })) {
    const isOurs = link.alias !== undefined || names.some((pattern) => pattern.test(link.name));
    if (!isOurs || wanted.has(link.alias ?? "")) continue;
    if (await removeListed(native, host, link)) removed.push(link.name);
  }
  return removed;
}
