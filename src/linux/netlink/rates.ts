/**
 * Limits of what a container takes and sends, at its port: on the port itself for what goes in, on a second link beside it, the
 * shaper, for what comes out. They may change at any time. On crash: a shaper that nothing goes through, which has the port's alias.
 */
import { fail, isCategory } from "../../base/errors.ts";
import { exchange, type Outcome, PROTOCOL } from "./exchange.ts";
import { makeHostLink } from "./host-links.ts";
import { findLink } from "./link-listing.ts";
import type { Message } from "./message.ts";
import { acceptedFor, checkOwn, hasCode, type Kernel, type Named, removeOwn } from "./own-links.ts";
import { limitOutput, listLimits, redirectInput, unlimitOutput, unredirectInput } from "./shaping.ts";

/** As the container sees it; undefined: as much as there is. */
export interface Rates {
  readonly inBytesPerSecond?: number | undefined;
  readonly outBytesPerSecond?: number | undefined;
}

/** The shaper's name: the port's, with another beginning. */
export function shaperOf(port: string): string {
  return `gi${port.slice(2)}`;
}

/** Nothing was limited, which the kernel says in several ways. */
const NOTHING = ["ENOENT", "EINVAL"];

/** Puts these limits in the place of what was there, and returns when they hold. */
export async function limitRates(
  native: Kernel,
  namespace: number | undefined,
  port: Named,
  rates: Rates,
): Promise<void> {
  const { inBytesPerSecond: into, outBytesPerSecond: out } = rates;
  const what = `limit network link "${port.name}"`;
  const shaper = { name: shaperOf(port.name), alias: port.alias };
  const link = await findLink(native, namespace, port.name);
  if (link === undefined) throw fail("not_found", `cannot ${what}: there is no such link`);
  checkOwn(link, port, false);
  const { index } = link;
  const through = out === undefined ? undefined : await makeShaper(native, namespace, shaper);
  const redirect: readonly Message[] =
    out === undefined || through === undefined
      ? []
      : [limitOutput(through, out), ...redirectInput(index, through)];
  const limit = into === undefined ? unlimitOutput(index) : limitOutput(index, into);
  const [undone, limited, ...others] = await exchange(native, PROTOCOL.route, namespace, [
    unredirectInput(index),
    limit,
    ...redirect,
  ]);
  const wanted = [
    hasCode(undone, ...NOTHING) ? [] : (undone ?? []),
    into === undefined && hasCode(limited, ...NOTHING) ? [] : (limited ?? []),
    ...others,
  ];
  if (into !== undefined) refuseUnknown(what, limited, "tbf");
  refuseUnknown(what, others[0], "tbf");
  refuseUnknown(what, others[1], "ingress");
  refuseUnknown(what, others[2], "u32 or mirred");
  acceptedFor(what, wanted);
  if (out === undefined) await removeOwn(native, namespace, shaper);
}

/** What is left of limits when their port has gone with its container; what is not there is fine. */
export async function removeShaper(
  native: Kernel,
  namespace: number | undefined,
  port: Named,
): Promise<boolean> {
  return await removeOwn(native, namespace, { name: shaperOf(port.name), alias: port.alias });
}

async function makeShaper(native: Kernel, namespace: number | undefined, shaper: Named): Promise<number> {
  try {
    return await makeHostLink(native, namespace, { ...shaper, type: { kind: "ifb" }, addresses: [] });
  } catch (cause) {
    if (!isCategory(cause, "not_implemented")) throw cause;
    throw fail("not_implemented", `${cause.message}: what comes out cannot be limited without "ifb"`, cause);
  }
}

/** Kinds of queues, filters and actions that a kernel does not have it says not to find. */
function refuseUnknown(what: string, outcome: Outcome | undefined, kind: string): void {
  if (hasCode(outcome, "ENOENT", "EOPNOTSUPP"))
    throw fail("not_implemented", `cannot ${what}: this kernel has no "${kind}"`, outcome);
}

/** What the kernel says that holds. */
export async function readRates(native: Kernel, namespace: number | undefined, port: string): Promise<Rates> {
  const [link, shaper, limits] = await Promise.all([
    findLink(native, namespace, port),
    findLink(native, namespace, shaperOf(port)),
    listLimits(native, namespace),
  ]);
  return {
    inBytesPerSecond: link === undefined ? undefined : limits.get(link.index),
    outBytesPerSecond: shaper === undefined ? undefined : limits.get(shaper.index),
  };
}
