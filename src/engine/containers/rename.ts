/** POST /containers/{id}/rename. */
import { fail } from "../../base/errors.ts";
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
  const name = renamed(to, shown);
  await deps.locks.run(container.id, () => {
    const oldName = container.name;
    deps.store.rename(container, name);
    renameEndpoints(deps.network, container);
    announce(deps.events, container, "rename", { oldName: `/${oldName}` });
    return Promise.resolve();
  });
}

function renamed(to: string, shown: string): string {
  try {
    return checkName(to, shown);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw fail("invalid_argument", `Error when allocating new name: ${message}`, error);
  }
}
