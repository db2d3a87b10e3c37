/**
 * Checkpoints of containers: experimental at Docker, where they are refused, in these words, as long as the engine is not
 * experimental. This one never is: `experimental` is no option of it.
 */
import { fail } from "../../base/errors.ts";
import type { Query } from "../query.ts";
import type { Route } from "../router.ts";

export function checkpointRoutes(): readonly Route[] {
  const refuse = (): never => {
    throw fail(
      "not_implemented",
      "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to enable it.",
    );
  };
  return [
    { method: "GET", pattern: "/containers/:id/checkpoints", handler: refuse },
    { method: "POST", pattern: "/containers/:id/checkpoints", handler: refuse },
    { method: "DELETE", pattern: "/containers/:id/checkpoints/:name", handler: refuse },
  ];
}

/** The query of a start. Throws `invalid_argument`. */
export function checkNoCheckpoint(query: Query): void {
  for (const option of ["checkpoint", "checkpoint-dir"])
    if (query.str(option) !== "")
      throw fail("invalid_argument", "checkpoint is only supported in experimental mode");
}
