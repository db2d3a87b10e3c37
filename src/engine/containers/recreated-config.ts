/** What the user of a container asked for, with what is to be different in the one that takes its place. Pure. */
import type { ContainerConfig } from "../../specs/engine/container.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";
import type { RecreateRequest } from "../../specs/engine/recreate.ts";

/** `imageEnv`: what the new image sets, which a removed variable must not come back from. */
export function recreatedConfig(
  user: ContainerConfig,
  request: RecreateRequest,
  imageEnv: readonly string[] | null,
): ContainerConfig {
  return {
    ...user,
    Image: request.Image === "" ? user.Image : request.Image,
    Env: recreatedEnvironment(user.Env ?? [], request, imageEnv ?? []),
    Labels: Object.assign(emptyMap<string>(), user.Labels, request.Labels),
  };
}

/** A name without "=" is what `mergeEnvironment` takes for "not the image's either". */
function recreatedEnvironment(
  user: readonly string[],
  { Env, EnvRemove }: RecreateRequest,
  image: readonly string[],
): readonly string[] {
  const given = new Map(Env.map((entry) => [nameOf(entry), entry]));
  const removed = new Set(EnvRemove.filter((name) => !given.has(name)));
  const kept = user.flatMap((entry) => {
    const name = nameOf(entry);
    if (removed.has(name)) return [];
    const changed = given.get(name);
    given.delete(name);
    return [changed ?? entry];
  });
  const hidden = image.map(nameOf).filter((name) => removed.has(name));
  return [...kept, ...given.values(), ...hidden];
}

function nameOf(entry: string): string {
  const at = entry.indexOf("=");
  return at < 0 ? entry : entry.slice(0, at);
}
