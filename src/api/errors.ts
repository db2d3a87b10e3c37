/** The one place where a failure's category becomes an HTTP status. Docker's body for all of them is {"message"}. */
import { type Category, GantryError, messageOf } from "../base/errors.ts";

const STATUS: Readonly<Record<Category, number>> = {
  not_found: 404,
  conflict: 409,
  not_modified: 304,
  invalid_argument: 400,
  unauthorized: 401,
  forbidden: 403,
  unavailable: 503,
  not_implemented: 501,
  internal: 500,
};

export function statusOf(error: unknown): number {
  return error instanceof GantryError ? STATUS[error.category] : 500;
}

export function errorBody(error: unknown): string {
  return `${JSON.stringify({ message: messageOf(error) })}\n`;
}
