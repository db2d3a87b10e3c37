/** Who has acquired what, in this run of the daemon. */
export class Holds {
  readonly #owners = new Map<string, Set<string>>();

  add(name: string, owner: string): void {
    const owners = this.#owners.get(name);
    if (owners === undefined) this.#owners.set(name, new Set([owner]));
    else owners.add(owner);
  }

  drop(name: string, owner: string): void {
    const owners = this.#owners.get(name);
    owners?.delete(owner);
    if (owners?.size === 0) this.#owners.delete(name);
  }

  of(name: string): Iterable<string> {
    return this.#owners.get(name) ?? [];
  }

  /** A copy. */
  all(): readonly (readonly [name: string, owners: Set<string>])[] {
    return [...this.#owners].map(([name, owners]) => [name, new Set(owners)] as const);
  }
}
