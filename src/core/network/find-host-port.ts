/**
 * Walking over host ports until one can be bound. Ports without a wish come from the kernel's ephemeral range, each search
 * going on behind the last one's find, so that a port that was just given up is not given to the next at once. A range that
 * a user names is walked from its beginning.
 */
import { fail, type GantryError } from "../../base/errors.ts";
import { formatPort, type PortRange } from "../../specs/engine/port.ts";
import type { PublicationRequest } from "./publications.ts";

/** Where the kernel does not say. */
export const FALLBACK_EPHEMERAL: PortRange = { first: 49_153, last: 65_535 };

/** Binds the port on all addresses of the request, or on none: then why not. */
export type TryBind = (port: number) => Promise<"bound" | GantryError>;

export class HostPortSearch {
  readonly #ephemeral: PortRange;
  #last: number;

  constructor(ephemeral: PortRange) {
    this.#ephemeral = ephemeral;
    this.#last = ephemeral.last;
  }

  /**
   * The port that `tryBind` bound; 0 without asking when everything in the request is routed. Throws its error when there
   * was no choice, else `unavailable`; what `tryBind` throws goes through.
   */
  async find(request: PublicationRequest, tryBind: TryBind, signal: AbortSignal): Promise<number> {
    if (request.targets.every(({ isRouted }) => isRouted)) return 0;
    const isEphemeral = request.host.first === 0;
    const range = isEphemeral ? this.#ephemeral : request.host;
    for (const port of candidates(range, isEphemeral ? this.#last : range.last)) {
      signal.throwIfAborted();
      const outcome = await tryBind(port);
      if (outcome === "bound") {
        if (isEphemeral) this.#last = port;
        return port;
      }
      if (range.first === range.last) throw outcome;
    }
    throw fail("unavailable", "all ports are allocated");
  }
}

/** Every port of the range once, beginning behind `after`. */
export function* candidates({ first, last }: PortRange, after: number): Generator<number> {
  const count = last - first + 1;
  const start = after >= first && after < last ? after + 1 : first;
  for (let step = 0; step < count; step++) yield first + ((start - first + step) % count);
}

/** What a user sees when the daemon itself has the port already. */
export function alreadyAllocated(hostIp: string, port: number): GantryError {
  return fail("unavailable", `Bind for ${hostIp}:${port} failed: port is already allocated`);
}

/** What a user sees when another program has it, or the address is not this host's: "127.0.0.1:8080:172.17.0.2:80/tcp". */
export function cannotBind(
  request: PublicationRequest,
  at: number,
  port: number,
  cause: unknown,
  why: string,
): GantryError {
  const { hostIp = "", containerIp = "" } = request.targets[at] ?? {};
  const host = hostIp.includes(":") ? `[${hostIp}]` : hostIp;
  const container = containerIp.includes(":") ? `[${containerIp}]` : containerIp;
  const shown = `${host}:${port}:${container}:${formatPort({ port: request.containerPort, protocol: request.protocol })}`;
  return fail("unavailable", `failed to bind host port for ${shown}: ${why}`, cause);
}
