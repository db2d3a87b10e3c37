/**
 * What keeps the content of volumes: `local` so far. A driver knows nothing of rows and users; its calls about one volume never
 * overlap, except `fill` of a staged one, which nobody else knows of.
 *
 * On crash: what is not in its place is garbage, which `sweep` deletes at the next start.
 */
import type { Filled, FillSource } from "../../linux/fill-volume.ts";

export type VolumeOptions = Readonly<Record<string, string>>;

export interface VolumeDriver {
  readonly name: string;

  /** Throws `invalid_argument` or `not_implemented`, naming the option. */
  check(options: VolumeOptions): void;

  pathOf(name: string): string;

  /** Makes it ready aside. */
  stage(name: string): Promise<void>;

  /** Fills a staged one. */
  fillStaged(name: string, source: FillSource): Promise<Filled>;

  /** Gives a staged one its place. */
  place(name: string): void;

  /** Deletes it wherever it is, if it is: out of its place at once, the content in the background. */
  remove(name: string): void;

  /** Whether using it takes a mount. */
  isMounted(options: VolumeOptions): boolean;

  /** Fine when it is mounted already. */
  mount(name: string, options: VolumeOptions): Promise<void>;

  /** Fine when it is not mounted. */
  unmount(name: string): Promise<void>;

  /** See `Volumes.fill`. `inUse`: others have it at the moment. */
  fill(name: string, options: VolumeOptions, source: FillSource, inUse: boolean): Promise<Filled>;

  usage(name: string, signal: AbortSignal): Promise<number>;

  /** Deletes what is in no place and returns the volumes that are. */
  sweep(): readonly string[];

  isEmpty(name: string): boolean;

  /** What was placed or removed is so after a power cut, too; with `content` so is what a staged one was filled with. */
  sync(content: boolean): Promise<void>;

  settled(): Promise<void>;
}
