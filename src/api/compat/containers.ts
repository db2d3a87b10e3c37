/** How container documents differ between API versions. */
import type { DecodedCreate } from "../../specs/engine/container.decode.ts";

/** Before 1.44 health checks had no interval of their own for the start period. */
export function createRequestFor(minor: number, request: DecodedCreate): DecodedCreate {
  const { config } = request;
  if (minor >= 44 || config.Healthcheck === null) return request;
  return { ...request, config: { ...config, Healthcheck: { ...config.Healthcheck, StartInterval: 0 } } };
}
