/** What one section sees on one engine. */
import { SECTIONS } from "./sections.ts";
import { type ComparedEngine, World } from "./world.ts";

/** The engine has the image of `image.ts`. */
export async function observe(engine: ComparedEngine, section: string): Promise<readonly string[]> {
  const body = SECTIONS[section];
  if (body === undefined) throw new Error(`there is no section ${section}`);
  await using world = await World.make(engine);
  await body(world);
  return world.lines;
}
