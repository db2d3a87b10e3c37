/** What a promise is rejected with, or what a function throws or rejects with; one that does not is a failure of the test. */
export async function failureOf(work: Promise<unknown> | (() => unknown)): Promise<unknown> {
  let result: unknown;
  try {
    result = await (typeof work === "function" ? work() : work);
  } catch (error) {
    return error;
  }
  throw new Error(`it did not fail, but gave ${JSON.stringify(result)}`);
}
