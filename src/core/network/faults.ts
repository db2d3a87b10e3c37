/** Several faults in one message, as Docker lists them: one as it is, more of them with a star each. */
export function listed(faults: readonly string[]): string {
  const [only = ""] = faults;
  if (faults.length <= 1) return only.trim();
  return faults.map((fault) => `* ${fault.replaceAll("\n", "\n\t")}`).join("\n");
}
