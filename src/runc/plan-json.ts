import type { Plan } from "../runtime/plan.ts";

/** Programs as base64, 64-bit values as decimal strings: what a double may not hold is not written as a number. */
export function planJson(plan: Plan): string {
  return `${JSON.stringify(
    plan,
    (_, value: unknown) => {
      if (typeof value === "bigint") return value.toString();
      return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
    },
    2,
  )}\n`;
}
