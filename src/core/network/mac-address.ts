/** Hardware addresses: an endpoint's own, or the one that its user wants. Pure. */
import { type IpAddress, ipBytes } from "../../base/ip-address.ts";
import { fail } from "../../base/errors.ts";

/** Three ways to write one. "02:42:ac:11:00:02" comes out. Throws `invalid_argument`. */
export function parseMacAddress(text: string): string {
  const isMac =
    /^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(text) ||
    /^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(text);
  const digits = text.replace(/[^0-9a-f]/gi, "").toLowerCase();
  const isGroup = (Number.parseInt(digits.slice(0, 2), 16) & 1) !== 0;
  if (!isMac || isGroup || /^0+$/.test(digits))
    throw fail("invalid_argument", `invalid MAC address ${text.slice(0, 100)}`);
  return digits.replace(/..(?!$)/g, "$&:");
}

/**
 * Of an endpoint without a wish: made of its IPv4 address, so that neighbours who remember who had the address before are
 * not misled; of four random bytes where there is none.
 */
export function macAddressOf(ipv4: IpAddress | undefined, random: () => Uint8Array): string {
  const tail = ipv4 === undefined ? random() : ipBytes(ipv4);
  const bytes = [0x02, 0x42, ...tail.subarray(0, 4)];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
