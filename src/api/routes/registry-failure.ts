/** A registry that cannot be reached, or fails, is Docker's status 500; 503 it keeps for what it cannot do itself. */
import { fail, isCategory, messageOf } from "../../base/errors.ts";

export async function fromRegistry<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isCategory(error, "unavailable")) throw error;
    throw fail("internal", messageOf(error), error);
  }
}
