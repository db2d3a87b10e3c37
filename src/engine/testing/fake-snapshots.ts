/** Active snapshots as names only. */
import { fail } from "../../base/errors.ts";
import type { TreeChange, TreeView } from "../../linux/native.ts";
import type { LayerCare } from "../../core/snapshots/layer-care.ts";
import type {
  IdShift,
  RootfsMount,
  Scratch,
  Snapshotter,
  SnapshotUsage,
  StagedLayer,
} from "../../core/snapshots/snapshotter.ts";

export class FakeSnapshots implements Snapshotter {
  readonly driver = "overlay2";
  readonly care: LayerCare = {
    check: () => Promise.resolve(undefined),
    compare: () => Promise.resolve(undefined),
    replace: () => Promise.reject(fail("not_implemented", "no layers here")),
    strangers: () => [],
    discardStranger: () => {},
  };
  readonly actives = new Map<string, string | undefined>();
  readonly persisted = new Set<string>();

  hasLayer(): boolean {
    return true;
  }

  createLayer(): Promise<void> {
    return Promise.resolve();
  }

  stageLayer(): StagedLayer {
    throw fail("not_implemented", "no layers here");
  }

  commitLayers(): Promise<void> {
    return Promise.resolve();
  }

  removeLayer(): Promise<void> {
    return Promise.resolve();
  }

  layers(): readonly never[] {
    return [];
  }

  sizeOf(_options: Readonly<Record<string, string>>): number {
    return 0;
  }

  prepare(id: string, parent: string | undefined, _shift?: IdShift, _sizeBytes?: number): Promise<void> {
    this.actives.set(id, parent);
    return Promise.resolve();
  }

  persist(id: string): Promise<void> {
    if (!this.actives.has(id)) throw fail("not_found", `no snapshot "${id}"`);
    this.persisted.add(id);
    return Promise.resolve();
  }

  keyOf({ uid, gid }: IdShift): string {
    return `${uid}/${gid}`;
  }

  active(): readonly { readonly id: string; readonly parent: string | undefined }[] {
    return [...this.actives].map(([id, parent]) => ({ id, parent }));
  }

  mount(id: string): RootfsMount {
    if (!this.actives.has(id)) throw fail("not_found", `no snapshot "${id}"`);
    return { kind: "overlay", lowers: ["/lower"], upper: `/upper/${id}`, work: `/work/${id}` };
  }

  remove(id: string): Promise<void> {
    this.actives.delete(id);
    return Promise.resolve();
  }

  usage(): Promise<SnapshotUsage> {
    return Promise.resolve({ sizeBytes: 7, inodes: 1 });
  }

  diff(): AsyncIterable<Uint8Array> {
    throw fail("not_implemented", "no files here");
  }

  changes(): AsyncIterable<TreeChange> {
    throw fail("not_implemented", "no files here");
  }

  export(): AsyncIterable<Uint8Array> {
    throw fail("not_implemented", "no files here");
  }

  view(): TreeView {
    return { kind: "overlay", layers: ["/lower"] };
  }

  compare(): AsyncIterable<TreeChange> {
    throw fail("not_implemented", "no files here");
  }

  describe(id: string): Readonly<Record<string, string>> {
    return { UpperDir: `/upper/${id}` };
  }

  status(): readonly never[] {
    return [];
  }

  makeScratch(): Scratch {
    throw fail("not_implemented", "no directories here");
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }
}
