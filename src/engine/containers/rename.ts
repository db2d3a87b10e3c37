/** POST /containers/{id}/rename. */
import { fail, GantryError, messageOf } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { NetworkParts } from "../networks/network-parts.ts";
import { renameEndpoints } from "../networks/rename-endpoints.ts";
import { announce, type EventSink } from "./announce.ts";
import type { Container } from "./container.ts";
import { checkName } from "./names.ts";
import type { ContainerStore } from "./store.ts";

export interface RenameDeps {
  readonly store: ContainerStore;
  readonly locks: KeyedLock;
  readonly events: EventSink;
  readonly network: Pick<NetworkParts, "networks" | "names">;
}

export async function rename(deps: RenameDeps, container: Container, to: string): Promise<void> {
  if (to === "") throw fail("invalid_argument", "Neither old nor new names may be empty");
  const shown = to.startsWith("/") ? to : `/${to}`;
  if (shown === `/${container.name}`)
    throw fail("invalid_argument", "Renaming a container with the same name as its current name");
  const name = allocated(() => checkName(to, shown));
  await deps.locks.run(container.id, () => {
    const oldName = container.name;
    allocated(() => deps.store.rename(container, name));
    renameEndpoints(deps.network, container);
    announce(deps.events, container, "rename", { oldName: `/${oldName}` });
    return Promise.resolve();
  });
}

/** Docker's words for whatever keeps a name from being had. */
function allocated<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const category = error instanceof GantryError ? error.category : "internal";
    throw fail(category, `Error when allocating new name: ${messageOf(error)}`, error);
  }
}
