/**
 * A list of undo steps that runs backwards unless its owner says that the result now belongs to somebody else.
 *
 *     await using scope = new Scope("start");
 *     const snapshot = await prepare();
 *     scope.defer("remove snapshot", () => snapshot.remove());
 *     ...
 *     scope.release(); // success: keep everything
 *
 * Teardown runs every step to the end, whatever the others do, and reports all failures as one AggregateError.
 */
export class Scope implements AsyncDisposable {
  readonly #name: string;
  #steps: { readonly what: string; readonly undo: () => void | Promise<void> }[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  defer(what: string, undo: () => void | Promise<void>): void {
    this.#steps.push({ what, undo });
  }

  /** Forgets all steps: what was acquired now has another owner. */
  release(): void {
    this.#steps = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const steps = this.#steps.toReversed();
    this.#steps = [];
    const failures: Error[] = [];
    for (const { what, undo } of steps) {
      try {
        await undo();
      } catch (cause) {
        failures.push(new Error(`cannot undo "${what}" of ${this.#name}`, { cause }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map((f) => f.message).join("; "));
  }
}
