/** A parent interface that may have to be made: "eth0.10" is VLAN 10 of eth0. Pure; asked when no interface has that name. */
import { fail } from "../../base/errors.ts";
import { parseInteger } from "./go-values.ts";

export interface VlanParent {
  /** The interface that carries the VLAN. */
  readonly carrier: string;
  readonly vlan: number;
}

/** Throws `invalid_argument`, `not_found` when the carrier is no interface of the host. */
export function vlanParent(name: string, exists: (carrier: string) => boolean): VlanParent {
  const [carrier = "", number, ...more] = name.split(".");
  if (number === undefined)
    throw fail("invalid_argument", `invalid subinterface vlan name ${name}, example formatting is eth0.10`);
  if (more.length > 0)
    throw fail(
      "invalid_argument",
      `required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received ${name}`,
    );
  const vlan = parseInteger(number);
  if (typeof vlan === "string")
    throw fail(
      "invalid_argument",
      `unable to parse a valid vlan id from: ${number} (ex. eth0.10 for vlan 10)`,
    );
  if (!exists(carrier)) throw fail("not_found", `-o parent interface was not found on the host: ${carrier}`);
  if (vlan < 1 || vlan > 4094)
    throw fail("invalid_argument", `vlan id must be between 1-4094, received: ${vlan}`);
  return { carrier, vlan };
}
