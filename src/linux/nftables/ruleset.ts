/**
 * What nftables is told: tables of sets, chains and rules, as data. Who decides on rules makes these with `statements.ts`; what
 * the kernel has is read into the same (`listing.ts`), compared (`differences.ts`) and put right in one transaction (`transaction.ts`).
 */
import type { FieldType } from "./field-types.ts";

/** Of tables. "inet": both versions of IP. */
export type Family = "inet" | "ip" | "ip6";

export type Verdict =
  | { readonly kind: "accept" | "drop" | "return" }
  /** "jump" comes back when the chain does not decide, "goto" does not. */
  | { readonly kind: "jump" | "goto"; readonly chain: string };

/**
 * One step of a rule. A rule is read from left to right until a step does not hold. Values pass through registers: sixteen words of
 * 4 bytes, given here by number (0-15); each value begins a new word.
 */
export type Expression =
  /** Something about the packet that is not in it. */
  | { readonly kind: "meta"; readonly key: MetaKey; readonly to: number }
  | { readonly kind: "set meta"; readonly key: MetaKey; readonly from: number }
  | {
      readonly kind: "payload";
      readonly base: "network" | "transport";
      readonly offset: number;
      readonly bytes: number;
      readonly to: number;
    }
  /** What connection tracking knows. */
  | { readonly kind: "ct"; readonly key: CtKey; readonly to: number }
  /** What kind of address it is for the routing table (RTN_LOCAL is 2). */
  | { readonly kind: "address type"; readonly of: "source" | "destination"; readonly to: number }
  | {
      readonly kind: "compare";
      readonly is: "equal" | "different";
      readonly from: number;
      readonly value: Uint8Array;
    }
  /** to = (from & mask) ^ flip */
  | {
      readonly kind: "bits";
      readonly from: number;
      readonly to: number;
      readonly mask: Uint8Array;
      readonly flip: Uint8Array;
    }
  /** Ends the rule when the key is not in the set; into: where a map's value goes ("verdict": it is followed). */
  | {
      readonly kind: "lookup";
      readonly set: string;
      readonly from: number;
      readonly into?: number | "verdict" | undefined;
      readonly absent?: boolean | undefined;
    }
  | { readonly kind: "value"; readonly value: Uint8Array; readonly to: number }
  | { readonly kind: "verdict"; readonly verdict: Verdict }
  | {
      readonly kind: "nat";
      readonly type: "source" | "destination";
      readonly family: "ip" | "ip6";
      readonly address?: number | undefined;
      readonly port?: number | undefined;
    }
  | { readonly kind: "masquerade" }
  | { readonly kind: "redirect"; readonly port: number }
  /** What it has counted is not part of the rule. */
  | { readonly kind: "counter" }
  /** Read from the kernel only: a step that this does not know. */
  | { readonly kind: "unknown"; readonly name: string };

export type MetaKey = "mark" | "iifname" | "oifname" | "nfproto" | "l4proto";
export type CtKey = "state" | "direction" | "status";

export interface Rule {
  readonly expressions: readonly Expression[];
  /** Below 127 bytes. */
  readonly comment?: string | undefined;
}

export interface BaseChain {
  readonly type: "filter" | "nat";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  /** Lower ones come first. */
  readonly priority: number;
  readonly policy: "accept" | "drop";
}

export interface Chain {
  readonly name: string;
  /** Without it nothing happens here unless another chain jumps to it. */
  readonly base?: BaseChain | undefined;
  readonly rules: readonly Rule[];
}

export interface Element {
  /** One text for each field of the set's key ("br-0", "ipv4", "10.0.0.1", "80"; `field-types.ts`). */
  readonly key: readonly string[];
  /** Of maps. */
  readonly value?: readonly string[] | Verdict | undefined;
}

/** A set, or with `value` a map. */
export interface NamedSet {
  readonly name: string;
  readonly key: readonly FieldType[];
  readonly value?: readonly FieldType[] | "verdict" | undefined;
  readonly elements: readonly Element[];
}

export interface Table {
  readonly family: Family;
  readonly name: string;
  readonly comment?: string | undefined;
  readonly sets: readonly NamedSet[];
  readonly chains: readonly Chain[];
}

/** One thing done in a transaction. */
export type Change =
  /** The whole table, in the place of the one that is there, if any. */
  | { readonly kind: "replace"; readonly table: Table }
  /** A table where there is none of that name: EEXIST. Cheaper than to replace none, which waits for what it deletes. */
  | { readonly kind: "make"; readonly table: Table }
  /** The table and all that is in it; fine when there is none. */
  | { readonly kind: "remove"; readonly family: Family; readonly name: string }
  | {
      readonly kind: "add" | "delete";
      readonly family: Family;
      readonly table: string;
      readonly set: NamedSet;
      readonly elements: readonly Element[];
    }
  /** At the head of a chain, also of one that is somebody else's. */
  | {
      readonly kind: "insert rule";
      readonly family: Family;
      readonly table: string;
      readonly chain: string;
      readonly rule: Rule;
    }
  | {
      readonly kind: "delete rule";
      readonly family: Family;
      readonly table: string;
      readonly chain: string;
      readonly handle: bigint;
    };
