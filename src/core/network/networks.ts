/**
 * All networks, and who is in them: an index in memory over the tables. Calls are synchronous and do one thing each; what
 * must happen together runs in one transaction of the caller's.
 *
 * Keeping addresses apart is `Ipam`'s matter: whoever adds or removes here reserves and releases there.
 */
import { fail } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Metadata } from "../metadata/metadata.ts";
import type { AttachmentRecord, EndpointRecord } from "./endpoint-record.ts";
import type { NetworkRecord } from "./network-record.ts";
import { NetworkRows } from "./network-rows.ts";

export class Networks {
  readonly #rows: NetworkRows;
  readonly #byId = new Map<string, NetworkRecord>();
  readonly #byName = new Map<string, NetworkRecord>();
  /** By container, then by network's name, in the order of attachment. */
  readonly #attachments = new Map<string, Map<string, AttachmentRecord>>();
  readonly #endpoints = new Map<string, EndpointRecord>();
  readonly #endpointsByNetwork = new Map<string, Set<string>>();
  readonly #endpointsByContainer = new Map<string, Set<string>>();
  readonly #changing: Set<string>;

  constructor(metadata: Metadata, log: Logger) {
    this.#rows = new NetworkRows(metadata);
    for (const record of this.#rows.networks(log)) this.#index(record);
    for (const record of this.#rows.attachments(log)) this.#indexAttachment(record);
    for (const record of this.#rows.endpoints(log)) this.#indexEndpoint(record);
    this.#changing = new Set(this.#rows.changes());
  }

  /** In no order. */
  all(): readonly NetworkRecord[] {
    return [...this.#byId.values()];
  }

  get(id: string): NetworkRecord | undefined {
    return this.#byId.get(id);
  }

  named(name: string): NetworkRecord | undefined {
    return this.#byName.get(name);
  }

  /** By id, name, or unique beginning of an id. Throws `not_found` or, for an ambiguous beginning, `invalid_argument`. */
  find(reference: string): NetworkRecord {
    const exact = this.#byId.get(reference) ?? this.#byName.get(reference);
    if (exact !== undefined) return exact;
    const matches = reference === "" ? [] : this.all().filter(({ id }) => id.startsWith(reference));
    const [match] = matches;
    const shown = reference.slice(0, 300);
    if (matches.length > 1)
      throw fail(
        "invalid_argument",
        `network ${shown} is ambiguous (${matches.length} matches found based on ID prefix)`,
      );
    if (match === undefined) throw fail("not_found", `network ${shown} not found`);
    return match;
  }

  /** The network exists from here on. Throws `conflict` when its name is taken. */
  add(record: NetworkRecord): void {
    if (this.#byName.has(record.name))
      throw fail("conflict", `network with name ${record.name} already exists`);
    this.#rows.addNetwork(record);
    this.#index(record);
  }

  /** Takes the place of the one with its id and name, in one step: who is in it stays. */
  replace(record: NetworkRecord): void {
    this.#rows.updateNetwork(record);
    this.#index(record);
  }

  /** The network is gone from here on. */
  remove(id: string): void {
    this.#rows.removeNetwork(id);
    const record = this.#byId.get(id);
    this.#byId.delete(id);
    if (record !== undefined) this.#byName.delete(record.name);
  }

  /** What a container asks of its networks, in the order of attachment. */
  attachments(container: string): readonly AttachmentRecord[] {
    return [...(this.#attachments.get(container)?.values() ?? [])];
  }

  /** Takes the place of one to the same network. `durability`: as the container's own row is written. */
  attach(record: AttachmentRecord, durability: "durable" | "process"): void {
    this.#rows.putAttachment(record, durability);
    this.#indexAttachment(record);
  }

  /** Nothing when there is none. */
  detach(container: string, network: string, durability: "durable" | "process"): void {
    this.#rows.removeAttachment(container, network, durability);
    this.#attachments.get(container)?.delete(network);
  }

  /** For a container that goes. */
  detachAll(container: string, durability: "durable" | "process"): void {
    this.#rows.removeAttachments(container, durability);
    this.#attachments.delete(container);
  }

  /** Containers that have attachments: some may be gone after a power cut. */
  attachedContainers(): readonly string[] {
    return [...this.#attachments.keys()];
  }

  endpoint(id: string): EndpointRecord | undefined {
    return this.#endpoints.get(id);
  }

  endpoints(): readonly EndpointRecord[] {
    return [...this.#endpoints.values()];
  }

  endpointsOf(network: string): readonly EndpointRecord[] {
    return this.#endpointsIn(this.#endpointsByNetwork.get(network));
  }

  endpointsIn(container: string): readonly EndpointRecord[] {
    return this.#endpointsIn(this.#endpointsByContainer.get(container));
  }

  /** New, or in the place of the one with its id: ports come after addresses. */
  putEndpoint(record: EndpointRecord): void {
    this.#rows.putEndpoint(record);
    this.#indexEndpoint(record);
  }

  /** Nothing when there is none. */
  removeEndpoint(id: string): void {
    this.#rows.removeEndpoint(id);
    const record = this.#endpoints.get(id);
    if (record === undefined) return;
    this.#endpoints.delete(id);
    dropFrom(this.#endpointsByNetwork, record.network, id);
    dropFrom(this.#endpointsByContainer, record.container, id);
  }

  /** What a container that runs has of its networks is being changed from here on: a start that finds it so has to mend it. */
  beginChange(container: string): void {
    this.#rows.putChange(container);
    this.#changing.add(container);
  }

  /** All is again as the records say, or the container does not run any more. */
  endChange(container: string): void {
    if (!this.#changing.delete(container)) return;
    this.#rows.removeChange(container);
  }

  isChanging(container: string): boolean {
    return this.#changing.has(container);
  }

  changing(): readonly string[] {
    return [...this.#changing];
  }

  /** What `work` changes is stored all at once. It does not throw. */
  together<T>(work: () => T): T {
    return this.#rows.together(work);
  }

  #endpointsIn(ids: ReadonlySet<string> | undefined): readonly EndpointRecord[] {
    return [...(ids ?? [])].flatMap((id) => this.#endpoints.get(id) ?? []);
  }

  #index(record: NetworkRecord): void {
    this.#byId.set(record.id, record);
    this.#byName.set(record.name, record);
  }

  #indexAttachment(record: AttachmentRecord): void {
    const known = this.#attachments.get(record.container);
    if (known === undefined) this.#attachments.set(record.container, new Map([[record.network, record]]));
    else known.set(record.network, record);
  }

  #indexEndpoint(record: EndpointRecord): void {
    this.#endpoints.set(record.id, record);
    addTo(this.#endpointsByNetwork, record.network, record.id);
    addTo(this.#endpointsByContainer, record.container, record.id);
  }
}

function addTo(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  if (ids === undefined) index.set(key, new Set([id]));
  else ids.add(id);
}

function dropFrom(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  ids?.delete(id);
  if (ids?.size === 0) index.delete(key);
}
