/**
 * Legacy links (`--link` on the default bridge): names of other containers in a container's hosts file. In networks of users
 * the name server knows them (`resolver.ts`).
 */
import { fail, messageOf } from "../../base/errors.ts";
import type { KeyedLock } from "../../base/keyed-lock.ts";
import type { HostsLine } from "../../core/network/hosts-file.ts";
import type { HostConfig } from "../../specs/engine/container.ts";
import type { Container } from "../containers/container.ts";
import type { ContainerStore } from "../containers/store.ts";
import type { NetworkParts } from "./network-parts.ts";
import { placesOf } from "./places.ts";
import { containerPaths } from "../containers/paths.ts";
import { dropHostsLines, replaceHostsLines } from "../containers/network-files.ts";
import type { Networks } from "../../core/network/networks.ts";
import { linkOf, ownAddresses } from "./resolver.ts";

const DEFAULT_NETWORK = "bridge";

/** Who is linked must exist. Throws `invalid_argument`: not `not_found`, which clients take for a missing image. */
export function checkLinks(store: Pick<ContainerStore, "find">, host: HostConfig): void {
  if ((host.Links ?? []).length === 0) return;
  if (host.NetworkMode === "host")
    throw fail(
      "invalid_argument",
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  for (const link of host.Links ?? []) {
    const [alias, name] = linkOf(link);
    if (name === "" || alias === "")
      throw fail("invalid_argument", `bad format for links: ${link.slice(0, 200)}`);
    try {
      store.find(name);
    } catch (error) {
      throw fail("invalid_argument", `could not get container for ${name}: ${messageOf(error)}`, error);
    }
  }
}

/** As inspect shows them: of legacy links whose containers are there "/name:/container/alias"; of others what was asked for. */
export function linksDocument(
  store: Pick<ContainerStore, "find">,
  { host, name }: Container,
): readonly string[] | null {
  if (host.NetworkMode !== DEFAULT_NETWORK) return host.Links;
  const links = (host.Links ?? []).flatMap((link) => {
    const [alias, reference] = linkOf(link);
    try {
      return [`/${store.find(reference).name}:/${name}/${alias}`];
    } catch {
      return []; // gone, and the link with it
    }
  });
  return links.length === 0 ? null : links;
}

/** Lines for the hosts file. Throws `conflict` for one that does not run. */
export function linkedHosts(
  store: Pick<ContainerStore, "find">,
  { networks }: Pick<NetworkParts, "networks">,
  container: Container,
): readonly HostsLine[] {
  if (container.host.NetworkMode !== DEFAULT_NETWORK) return [];
  return (container.host.Links ?? []).flatMap((link) => {
    const [alias, reference] = linkOf(link);
    const other = store.find(reference);
    if (other.task === undefined)
      throw fail(
        "conflict",
        `Cannot link to a non running container: /${other.name} AS /${container.name}/${alias}`,
      );
    return linesOf(networks, alias, other);
  });
}

/** What a linked container is called in the hosts file. */
function namesOf(alias: string, target: Container): string {
  return [...new Set([alias, target.config.Hostname, target.name])].join(" ");
}

function linesOf(networks: Networks, alias: string, target: Container): readonly HostsLine[] {
  const places = placesOf(networks, target.id).filter(({ network }) => network.name === DEFAULT_NETWORK);
  const name = namesOf(alias, target);
  return ownAddresses(places).map((address) => ({ address, name }));
}

/** Those who run and are linked with a container that has started again find its new address. */
export function refreshLinks(
  deps: {
    readonly store: ContainerStore;
    readonly network: Pick<NetworkParts, "networks">;
    readonly containersDir: string;
  },
  target: Container,
): void {
  for (const container of deps.store.all()) {
    if (container.task === undefined || container.host.NetworkMode !== DEFAULT_NETWORK) continue;
    for (const link of container.host.Links ?? []) {
      const [alias, reference] = linkOf(link);
      if (reference !== target.name && !target.id.startsWith(reference)) continue;
      const lines = linesOf(deps.network.networks, alias, target);
      replaceHostsLines(containerPaths(deps.containersDir, container.id).hosts, lines);
    }
  }
}

export interface RemoveLinkDeps {
  readonly store: ContainerStore;
  readonly locks: KeyedLock;
  readonly containersDir: string;
}

/**
 * `rm --link PARENT/ALIAS`: what PARENT calls another container. It is forgotten for good, and goes from the hosts file of one that
 * runs. Docker's words; `not_found` for a link that is not there.
 */
export async function removeLink(deps: RemoveLinkDeps, name: string): Promise<void> {
  const [, parent = "", alias = ""] = /^\/?([^/]*)\/([^/]+)$/.exec(name) ?? [];
  if (alias === "" || parent === "") {
    deps.store.find(name);
    throw fail("conflict", "Conflict, cannot remove the default link name of the container");
  }
  const missing = (): Error => fail("not_found", `No such container: ${name}`);
  const container = [...deps.store.all()].find((each) => each.name === parent);
  if (container === undefined) throw missing();
  await deps.locks.run(container.id, () => {
    if (deps.store.get(container.id) !== container || container.host.NetworkMode !== DEFAULT_NETWORK)
      throw missing();
    const link = (container.host.Links ?? []).find((each) => linkOf(each)[0] === alias);
    if (link === undefined) throw missing();
    const target = deps.store.find(linkOf(link)[1]);
    const { record } = container;
    const host = { ...record.host, Links: (record.host.Links ?? []).filter((each) => each !== link) };
    deps.store.change(container, deps.store.build({ ...record, host }), () => {});
    if (container.task !== undefined)
      dropHostsLines(containerPaths(deps.containersDir, container.id).hosts, namesOf(alias, target));
    return Promise.resolve();
  });
}
