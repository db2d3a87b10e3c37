import type { Engine } from "../support/engine.ts";

/** A daemon that is killed while it starts. */
export async function killedStart(engine: Engine, afterMs: number): Promise<void> {
  const starting = engine.launch().catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  await engine.kill9();
  await starting;
}
