/**
 * The host's firewall as long as the daemon lives: keeps the kernel at what should be, one change after the other.
 *
 * On crash: the table goes on working. The next start's first `apply` compares it with what should be then.
 */
import { isCategory } from "../../../base/errors.ts";
import { KeyedLock } from "../../../base/keyed-lock.ts";
import { hasLegacyFilters } from "../../../linux/nftables/legacy-iptables.ts";
import { commit, reconcile } from "../../../linux/nftables/transaction.ts";
import type { Native } from "../../../linux/native.ts";
import type { FirewallOptions, FirewallState } from "./firewall.ts";
import { keepPassages } from "./passages.ts";
import { changes, firewallOf, removal } from "./table.ts";

export interface HostFirewallOptions extends FirewallOptions {
  /** Whether the host's other filters shall let pass what the table accepts (`wantsPassages`). */
  readonly opensPassages: boolean;
}

export interface Reconciliation {
  /** Parts of the table that were not as they should be, and are now. */
  readonly mended: readonly string[];
  /** What the user should do about other firewalls of the host. */
  readonly warnings: readonly string[];
}

export class HostFirewall {
  readonly #native: Pick<Native, "netlink">;
  readonly #namespace: number | undefined;
  #options: HostFirewallOptions;
  readonly #lock = new KeyedLock();
  /** What the kernel has, if nobody else was there; undefined: not known. */
  #state: FirewallState | undefined;

  /** `native`: a `KeptSocket` for nftables, or whatever else hands batches over. `namespace`: undefined = this process's. */
  constructor(native: Pick<Native, "netlink">, namespace: number | undefined, options: HostFirewallOptions) {
    this.#native = native;
    this.#namespace = namespace;
    this.#options = options;
  }

  /** The next application goes by these. */
  replaceOptions(options: HostFirewallOptions): void {
    this.#options = options;
    this.#state = undefined;
  }

  /**
   * Makes the state the kernel's; all of it is in force when this resolves. Where the kernel has something else than what was
   * applied last, the whole table is put right. When it rejects, all is as before; the next one starts from what there is.
   */
  async apply(state: FirewallState): Promise<void> {
    await this.#lock.run("table", () => this.#apply(state));
  }

  async #apply(state: FirewallState): Promise<void> {
    const before = this.#state;
    this.#state = undefined;
    if (before === undefined || !(await this.#tryChanges(before, state))) await this.#putRight(state);
    this.#state = state;
  }

  /** False when the kernel refuses. */
  async #tryChanges(before: FirewallState, after: FirewallState): Promise<boolean> {
    try {
      await commit(this.#native, this.#namespace, changes(before, after, this.#options));
      return true;
    } catch (error) {
      if (isCategory(error, "internal")) return false; // somebody has changed the table
      throw error;
    }
  }

  async #putRight(state: FirewallState): Promise<readonly string[]> {
    const table = firewallOf(state, this.#options);
    if (table !== undefined) return reconcile(this.#native, this.#namespace, table);
    await commit(this.#native, this.#namespace, [removal(this.#options)]);
    return [];
  }

  /**
   * Compares the kernel with what was applied last and puts right what differs; opens, or closes, the passages in other filters.
   * At start, on SIGHUP and now and then: it costs some tens of milliseconds.
   */
  async reconcile(): Promise<Reconciliation> {
    return this.#lock.run("table", async () => {
      const state = this.#state;
      const isKnown = state !== undefined && (this.#options.ipv4 || this.#options.ipv6);
      const mended = isKnown ? await this.#putRight(state) : [];
      const warnings = await keepPassages(this.#native, this.#namespace, this.#options, {
        isWanted: this.#options.opensPassages,
        legacy: await hasLegacyFilters(),
      });
      return { mended, warnings };
    });
  }
}
