/**
 * Volumes: directories of the host that outlive containers and can be in several of them.
 *
 * Who uses a volume is not counted here: it is in the records of the containers (`VolumeUser`), and only who is about to be
 * recorded, or about to run, is held in memory meanwhile (`acquire`, `release`). So a daemon that dies forgets nothing that
 * it would have to remember.
 *
 * On crash: a volume exists when its row and its directory do. A row without a directory is of an unfinished removal and goes
 * at the next start; a directory without a row is of an unfinished creation and goes if it is empty, and is a volume again if
 * it is not: content of users is never garbage. What is made, filled or removed has other names while it is. Volumes that the
 * container of `--rm` brought with it need not survive a power cut; all others do.
 */
import type { Filled, FillSource } from "../../linux/fill-volume.ts";

export type Durability = "durable" | "process";

export interface Volume {
  readonly name: string;
  /** "local". */
  readonly driver: string;
  readonly createdNs: bigint;
  /** null = none were given. */
  readonly labels: Readonly<Record<string, string>> | null;
  readonly options: Readonly<Record<string, string>> | null;
  /** Where the host sees the content; that of a volume with options only while somebody uses it. */
  readonly mountpoint: string;
}

export interface VolumeWish {
  /** "" = anonymous: it gets a name of 64 hexadecimal digits, and a label that says so. */
  readonly name: string;
  /** "" = local. */
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly options: Readonly<Record<string, string>> | null;
}

/** A container, as far as volumes are concerned. */
export interface VolumeUser {
  readonly id: string;
  readonly isRunning: boolean;
  /** Names. */
  readonly volumes: readonly string[];
}

/** One that is ready, but exists only together with whoever it is made for. */
export interface StagedVolume {
  readonly volume: Volume;
  fill(source: FillSource): Promise<Filled>;
  /** Gives the directory its name. */
  place(durability: Durability): Promise<void>;
  /** Writes the row: in the transaction of whoever it is for. */
  enter(durability: Durability): void;
  /** Deletes it: when that transaction has not come about. */
  discard(): void;
}

export const ANONYMOUS_LABEL = "com.docker.volume.anonymous";

export interface Volumes {
  readonly drivers: readonly string[];

  /** Answers from memory, in no order. */
  all(): readonly Volume[];

  /** Throws `not_found`. */
  find(name: string): Volume;

  /** Throws as `create` would, and makes nothing. */
  check(wish: VolumeWish): void;

  /**
   * Makes a volume; one of that name that is there already is left as it is and returned. Throws `invalid_argument` for a name
   * or an option that cannot be, `not_found` for an unknown driver.
   */
  create(wish: VolumeWish): Promise<{ readonly volume: Volume; readonly isNew: boolean }>;

  /** An anonymous one. Throws as `create`. */
  stage(wish: Omit<VolumeWish, "name">): Promise<StagedVolume>;

  /**
   * Deletes it: it is gone when the call returns, its content in the background. Throws `not_found`, and `conflict` while anybody
   * but `except` is recorded as a user, running or not, or has acquired it.
   */
  remove(
    name: string,
    options?: { readonly except?: string; readonly durability?: Durability },
  ): Promise<void>;

  /** By volume, the containers that have it: recorded or about to be. */
  users(): ReadonlyMap<string, readonly string[]>;

  /**
   * Keeps it from being removed until `release` by the same owner, and mounts what its options ask for if nobody has yet.
   * Returns the directory. May be called again by the same owner. Throws `not_found`, `invalid_argument` with the kernel's reason.
   */
  acquire(name: string, owner: string): Promise<string>;

  /** The last one takes off what was mounted; whoever runs counts, too. Fine for one that was not acquired, or is gone. */
  release(name: string, owner: string): Promise<void>;

  /**
   * Copies what the image has into it, if it is empty; `owner` has acquired it. Nobody sees a half of it: it is copied aside,
   * and takes the empty directory's place. Only in a volume that others use at the moment, or that has options, it is copied in
   * place, where a crash may leave a half of it.
   */
  fill(name: string, owner: string, source: FillSource): Promise<Filled>;

  /** Bytes of its content; undefined when it is gone, or they are not on this host's account: a volume with options. */
  usage(volume: Volume, signal: AbortSignal): Promise<number | undefined>;

  /** Brings rows, directories and mounts together, once, at start, when all users are known. */
  reconcile(): Promise<void>;

  /** Resolves when background deletions have ended: for tests, shutdown and the leak check. */
  settled(): Promise<void>;
}

export function isAnonymous({ labels }: Volume): boolean {
  return labels !== null && Object.hasOwn(labels, ANONYMOUS_LABEL);
}
