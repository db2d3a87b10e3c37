/**
 * Switches the host's forwarding on when the first network needs it, and sees to it that the host becomes no router for anybody
 * else by that.
 *
 * On crash: what was decided lies in a file that lives as long as the host's settings do, until the next boot.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { errnoOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Native } from "../../linux/native.ts";
import { ipv6Links, readNetSetting } from "../../linux/net-settings.ts";
import { Fields, parseJson } from "../../specs/engine/fields.decode.ts";
import { type ForwardingFacts, forwardingOf } from "./firewall/forwarding.ts";
import type { NetworkRecord } from "./network-record.ts";

export interface ForwardingOptions {
  /** daemon.json's `ip-forward`, `ip-forward-no-drop`, `iptables` and `ip6tables`. */
  readonly ipForward: boolean;
  readonly noDrop: boolean;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** The file; as volatile as /run. */
  readonly path: string;
}

type Closed = ForwardingFacts["closed"];

export class HostForwarding {
  readonly #native: Pick<Native, "writeNetSettings">;
  readonly #options: ForwardingOptions;
  readonly #log: Logger;
  #closed: Closed;
  readonly #done = { ipv4: false, ipv6: false };

  constructor(native: Pick<Native, "writeNetSettings">, options: ForwardingOptions, log: Logger) {
    this.#native = native;
    this.#options = options;
    this.#log = log;
    this.#closed = readClosed(options.path);
  }

  /** For the firewall. */
  get closed(): Closed {
    return this.#closed;
  }

  /** Tells whether `closed` is something else now. Rejects when the host's settings cannot be written. */
  async enableFor({ driver, hasIpv4, hasIpv6 }: NetworkRecord): Promise<boolean> {
    if (driver !== "bridge") return false;
    const wants = { ipv4: hasIpv4 && !this.#done.ipv4, ipv6: hasIpv6 && !this.#done.ipv6 };
    if (!wants.ipv4 && !wants.ipv6) return false;
    const { ipForward, noDrop, ipv4, ipv6, path } = this.#options;
    const { settings, closed, warnings } = forwardingOf(
      { ipForward, noDrop, ipv4: ipv4 && wants.ipv4, ipv6: ipv6 && wants.ipv6 },
      { ...readFacts(wants.ipv6), closed: this.#closed },
    );
    for (const warning of warnings) this.#log.warn(warning);
    const isNew = closed.ipv4 !== this.#closed.ipv4 || closed.ipv6 !== this.#closed.ipv6;
    // Before the settings: they must never be there without it.
    if (isNew) writeFileSync(path, JSON.stringify(closed), { mode: 0o600 });
    this.#closed = closed;
    await this.#native.writeNetSettings(undefined, settings);
    if (wants.ipv4) this.#done.ipv4 = true;
    if (wants.ipv6) this.#done.ipv6 = true;
    return isNew;
  }
}

function readFacts(withAdvertised: boolean): Omit<ForwardingFacts, "closed"> {
  return {
    ipv4: readNetSetting("ipv4/ip_forward") === "1",
    ipv6: readNetSetting("ipv6/conf/all/forwarding") === "1",
    advertised: withAdvertised
      ? ipv6Links().filter((link) => readNetSetting(`ipv6/conf/${link}/accept_ra`) === "1")
      : [],
  };
}

function readClosed(path: string): Closed {
  try {
    const fields = new Fields(parseJson(readFileSync(path, "utf8")), "");
    return { ipv4: fields.bool("ipv4"), ipv6: fields.bool("ipv6") };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { ipv4: false, ipv6: false };
    throw error;
  }
}
