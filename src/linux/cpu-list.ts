import { fail } from "../base/errors.ts";

/** The plan's own limit, and the kernel's: CONFIG_NR_CPUS ends at 8192. */
const MAX_CPUS = 8192;

/**
 * "0-3,7" as the mask that sched_setaffinity(2) takes: a bit per CPU, least significant first. Throws `invalid_argument`
 * for text that is no list, for ranges that run backwards and for an empty list.
 */
export function cpuMask(list: string): Uint8Array {
  const mask = Buffer.alloc(MAX_CPUS / 8);
  let last = -1;
  for (const part of list.split(",")) {
    const { from, to } = cpuRange(part.trim(), list);
    for (let cpu = from; cpu <= to; cpu++)
      mask.writeUInt8(mask.readUInt8(cpu >> 3) | (1 << (cpu & 7)), cpu >> 3);
    last = Math.max(last, to);
  }
  return mask.subarray(0, (last >> 3) + 1);
}

function cpuRange(part: string, list: string): { readonly from: number; readonly to: number } {
  const [, first = "", second = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
  const from = Number(first);
  const to = Number(second);
  if (first === "" || from > to || to >= MAX_CPUS)
    throw fail("invalid_argument", `${JSON.stringify(list.slice(0, 100))} is not a list of CPUs`);
  return { from, to };
}
