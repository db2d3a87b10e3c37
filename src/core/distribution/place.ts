import type { Endpoint } from "./endpoints.ts";
import type { Session } from "./session.ts";

/** What an operation works with: one endpoint of a repository and the way to talk to it. */
export interface Place {
  readonly endpoint: Endpoint;
  readonly session: Session;
}
