/** How much a container may take and send in its networks. Pure. */
import { fail } from "../../base/errors.ts";
import type { Rates } from "../../linux/netlink/rates.ts";
import type { NetworkRecord } from "./network-record.ts";

/** As the container sees it, in bits per second; 0 = as much as there is. */
export interface EndpointRates {
  readonly inBits: number;
  readonly outBits: number;
}

/** The kernel counts bytes, and what could not have one in a second would stand still. */
const LEAST_BITS = 8;

/** Throws `invalid_argument`. */
export function checkRate(field: string, bits: number): void {
  if (bits !== 0 && bits < LEAST_BITS)
    throw fail(
      "invalid_argument",
      `invalid ${field} ${bits}: bits per second, at least ${LEAST_BITS}, or 0 for no limit`,
    );
}

export function isLimited(rates: EndpointRates | undefined): rates is EndpointRates {
  return rates !== undefined && (rates.inBits !== 0 || rates.outBits !== 0);
}

/** Limits are at the host's end of a link, which only a bridge's members have. Throws `not_implemented`. */
export function checkRatesIn({ name, driver }: NetworkRecord, rates: EndpointRates | undefined): void {
  if (isLimited(rates) && (driver === "macvlan" || driver === "ipvlan"))
    throw fail(
      "not_implemented",
      `NetRateIn and NetRateOut are not supported in network ${name}: the driver "${driver}" cannot limit rates`,
    );
}

export function kernelRates({ inBits, outBits }: EndpointRates): Rates {
  return { inBytesPerSecond: bytes(inBits), outBytesPerSecond: bytes(outBits) };
}

function bytes(bits: number): number | undefined {
  return bits === 0 ? undefined : Math.floor(bits / 8);
}
