/**
 * The one error type. A category says what kind of failure it is; HTTP status numbers and exit codes are derived from
 * it once, at the face (`api/errors.ts`, `cli/exit.ts`). Messages are lower-case, without a full stop, and name the
 * action and the thing in quotes — except where Docker's own wording is what clients match on.
 */
export type Category =
  | "not_found"
  | "conflict"
  | "not_modified"
  | "invalid_argument"
  | "unauthorized"
  | "forbidden"
  | "unavailable"
  | "not_implemented"
  | "internal";

export class GantryError extends Error {
  readonly category: Category;

  constructor(category: Category, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "GantryError";
    this.category = category;
  }
}

export function fail(category: Category, message: string, cause?: unknown): GantryError {
  return new GantryError(category, message, cause === undefined ? undefined : { cause });
}

export function isCategory(error: unknown, category: Category): error is GantryError {
  return error instanceof GantryError && error.category === category;
}

/** The errno name ("ENOENT") of a system error, or undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
