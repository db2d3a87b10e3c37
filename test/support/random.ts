/** Repeatable chance: the seed is printed, `GANTRY_SEED=n` runs the same again. */
export function seeded(what: string): () => number {
  const seed = Number(process.env["GANTRY_SEED"] ?? Date.now() % 1_000_000_007) >>> 0;
  console.log(`${what}: GANTRY_SEED=${seed}`);
  return mulberry32(seed);
}

/** Whole numbers below a limit, the same in every run unless GANTRY_SEED says otherwise. */
export function randomFrom(seed: number): (limit: number) => number {
  const next = mulberry32(Number(process.env["GANTRY_SEED"] ?? seed) >>> 0);
  return (limit) => Math.floor(next() * limit);
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
