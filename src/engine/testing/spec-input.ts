/** A container as plain as `docker run busybox true`, for tests that change one thing of it. */
import { FACTS_V1 } from "../../linux/testing/facts.ts";
import { decodeContainerCreate } from "../../specs/engine/container.decode.ts";
import type { SpecInput } from "../containers/spec-input.ts";

export const TEST_ID = "4f3c2b1a".repeat(8);

/** `request`: as the body of POST /containers/create. `changes`: what the engine finds out besides. */
export function specInput(request: object = {}, changes: Partial<SpecInput> = {}): SpecInput {
  const { config, host } = decodeContainerCreate({
    Hostname: TEST_ID.slice(0, 12),
    Cmd: ["true"],
    ...request,
  });
  const file = (name: string): string => `/var/lib/gantry/containers/${TEST_ID}/${name}`;
  return {
    id: TEST_ID,
    hostname: config.Hostname,
    config,
    host,
    mounts: [],
    files: { resolvConf: file("resolv.conf"), hosts: file("hosts"), hostname: file("hostname") },
    network: host.NetworkMode === "host" ? { kind: "host" } : { kind: "none" },
    facts: FACTS_V1,
    ...changes,
  };
}
