/** By which links packets for everywhere leave: both versions of IP, changed in one go. */
import { exchange, PROTOCOL } from "./exchange.ts";
import { findLink } from "./link-listing.ts";
import { acceptedFor, hasCode, type Kernel } from "./own-links.ts";
import { deleteRoute, listRoutes, newRoute, type Route } from "./routes.ts";

export interface DefaultRoute {
  /** The name of the link it leaves by. */
  readonly link: string;
  /** 4 or 16 bytes. */
  readonly gateway: Uint8Array | undefined;
  readonly family: "ipv4" | "ipv6";
}

/**
 * Replaces all default routes of the main table; those of links that are not there are left out. What is the same stays
 * untouched. Between the old and the new there is a moment without any.
 */
export async function setDefaultRoutes(
  native: Kernel,
  namespace: number | undefined,
  wanted: readonly DefaultRoute[],
): Promise<void> {
  const found = (await listRoutes(native, namespace)).filter(({ destination }) => destination.prefix === 0);
  const routes: Route[] = [];
  for (const { link, gateway, family } of wanted) {
    const index = (await findLink(native, namespace, link))?.index;
    const address = new Uint8Array(family === "ipv4" ? 4 : 16);
    if (index !== undefined) routes.push({ destination: { address, prefix: 0 }, gateway, link: index });
  }
  const removed = found.filter((route) => !routes.some((other) => isSame(route, other)));
  const added = routes.filter((route) => !found.some((other) => isSame(route, other)));
  if (removed.length + added.length === 0) return;
  const outcomes = await exchange(native, PROTOCOL.route, namespace, [
    ...removed.map(deleteRoute),
    ...added.map(newRoute),
  ]);
  acceptedFor(
    "change the default routes",
    outcomes.filter((one) => !hasCode(one, "ESRCH", "EEXIST")),
  );
}

function isSame(a: Route, b: Route): boolean {
  return (
    a.link === b.link &&
    a.destination.address.length === b.destination.address.length &&
    textOf(a.gateway) === textOf(b.gateway)
  );
}

function textOf(address: Uint8Array | undefined): string {
  return address === undefined ? "" : Buffer.from(address).toString("hex");
}
