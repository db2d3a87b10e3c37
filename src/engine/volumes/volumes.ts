/** GET /volumes and /volumes/{name}, POST /volumes/create, DELETE /volumes/{name}. */
import { fail, isCategory } from "../../base/errors.ts";
import type { Volume, Volumes } from "../../core/volumes/volumes.ts";
import type { Filters } from "../../specs/engine/container.ts";
import type { VolumeCreateRequest, VolumeDocument } from "../../specs/engine/volume.ts";
import type { EventSink } from "../containers/announce.ts";
import { matchesLabel, matchesName } from "../containers/list-filters.ts";
import { announceVolume } from "./announce-volume.ts";
import { volumeDocument } from "./volume-document.ts";

export const VOLUME_FILTERS = ["dangling", "driver", "label", "name"] as const;

export interface VolumeVerbDeps {
  readonly volumes: Volumes;
  readonly events: EventSink;
}

/** By name. Values of one key are alternatives, except labels. Throws `invalid_argument` for values that none can have. */
export function listVolumes(
  { volumes }: Pick<VolumeVerbDeps, "volumes">,
  filters: Filters,
): readonly VolumeDocument[] {
  const dangling = danglingFilter(filters.get("dangling") ?? []);
  const users = dangling === undefined ? undefined : volumes.users();
  const isAny = (key: string, test: (value: string) => boolean): boolean => {
    const values = filters.get(key) ?? [];
    return values.length === 0 || values.some(test);
  };
  return volumesByName(volumes)
    .filter(
      ({ name, driver, labels }) =>
        (users === undefined || dangling !== users.has(name)) &&
        isAny("driver", (value) => value === driver) &&
        isAny("name", (value) => matchesName(name, value)) &&
        (filters.get("label") ?? []).every((value) => matchesLabel(labels ?? {}, value)),
    )
    .map(volumeDocument);
}

export function volumesByName(volumes: Pick<Volumes, "all">): readonly Volume[] {
  return [...volumes.all()].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

function danglingFilter(values: readonly string[]): boolean | undefined {
  if (values.length === 0) return undefined;
  const [value] = values;
  if (values.length === 1 && (value === "1" || value === "true")) return true;
  if (values.length === 1 && (value === "0" || value === "false")) return false;
  throw fail("invalid_argument", `invalid filter 'dangling=[${values.join(" ")}]'`);
}

/** Throws `not_found`. */
export function inspectVolume({ volumes }: Pick<VolumeVerbDeps, "volumes">, name: string): VolumeDocument {
  return volumeDocument(volumes.find(name));
}

/** One that is there already is the answer, whatever it was made with. */
export async function createVolume(
  deps: VolumeVerbDeps,
  { Name, Driver, DriverOpts, Labels, isOfCluster }: VolumeCreateRequest,
): Promise<VolumeDocument> {
  if (isOfCluster)
    throw fail("unavailable", "a volume of a cluster can be made by a swarm manager only, and this is none");
  const wish = { name: Name, driver: Driver, labels: Labels, options: DriverOpts };
  const { volume, isNew } = await deps.volumes.create(wish);
  if (isNew) announceVolume(deps.events, volume, "create");
  return volumeDocument(volume);
}

/** `force` only passes over one that is not there. Throws `not_found`, `conflict` while it is in use. */
export async function removeVolume(
  { volumes, events }: VolumeVerbDeps,
  name: string,
  force: boolean,
): Promise<void> {
  try {
    const volume = volumes.find(name);
    await volumes.remove(name);
    announceVolume(events, volume, "destroy");
  } catch (error) {
    if (!(force && isCategory(error, "not_found"))) throw error;
  }
}
