/**
 * Limits of what a container takes and sends, at its port: on the port itself for what goes in, on a second link beside it, the
 * shaper, for what comes out. They may change at any time. On crash: a shaper that nothing goes through, which has the port's alias.
 */
import { fail } from "../../base/errors.ts";
import { exchange, PROTOCOL } from "./exchange.ts";
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
  const through =
    out === undefined
      ? undefined
      : await makeHostLink(native, namespace, { ...shaper, type: { kind: "ifb" }, addresses: [] });
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
  acceptedFor(what, wanted);
  if (out === undefined) await removeOwn(native, namespace, shaper);
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
