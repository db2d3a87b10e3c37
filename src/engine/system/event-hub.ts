/** The daemon's events: in memory, the last 256 can be had again. */
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { EventMessage } from "../../specs/engine/system.ts";
import type { EventSink } from "../containers/announce.ts";
import type { EventFeed } from "./events.ts";

const KEPT = 256;

export class EventHub implements EventSink, EventFeed {
  readonly #log: Logger;
  readonly #kept: EventMessage[] = [];
  readonly #listeners = new Set<(event: EventMessage) => void>();

  constructor(log: Logger) {
    this.#log = log;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  /** A listener that throws harms neither the others nor the publisher. */
  publish(event: EventMessage): void {
    this.#kept.push(event);
    if (this.#kept.length > KEPT) this.#kept.shift();
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#log.error("an event listener failed", { error: messageOf(error) });
      }
    }
  }

  recent(): readonly EventMessage[] {
    return [...this.#kept];
  }

  subscribe(listener: (event: EventMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
