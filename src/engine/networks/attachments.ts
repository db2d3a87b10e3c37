/** Which networks a new container will be in, and with what wishes. */
import { fail, isCategory, messageOf } from "../../base/errors.ts";
import { checkConnection } from "../../core/network/check-connection.ts";
import { checkEndpoint } from "../../core/network/check-endpoint.ts";
import { checkRatesIn, type EndpointRates } from "../../core/network/endpoint-rates.ts";
import type { AttachmentRecord } from "../../core/network/endpoint-record.ts";
import { parseMacAddress } from "../../core/network/mac-address.ts";
import type { NetworkRecord } from "../../core/network/network-record.ts";
import type { Networks } from "../../core/network/networks.ts";
import type { EndpointConfig } from "../../specs/engine/network.ts";

export const NO_WISHES: EndpointConfig = {
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  MacAddress: "",
  DriverOpts: null,
  GwPriority: 0,
};

export interface AttachmentRequest {
  readonly container: string;
  /** The effective HostConfig.NetworkMode. */
  readonly networkMode: string;
  /** NetworkingConfig.EndpointsConfig, by name or id of a network. */
  readonly endpoints: Readonly<Record<string, EndpointConfig | null>>;
  /** The address that the request has for the container as a whole: it is for the network of its mode. */
  readonly macAddress: string;
  readonly rates: EndpointRates;
}

/**
 * Nothing for a container that shares another's namespace. A network that is not there (yet) is asked for again at the start.
 * Throws `invalid_argument`, `forbidden`, `not_implemented`.
 */
export function planAttachments(
  networks: Pick<Networks, "find">,
  request: AttachmentRequest,
): readonly AttachmentRecord[] {
  const { container, networkMode, endpoints } = request;
  if (networkMode.startsWith("container:")) {
    if (request.macAddress !== "")
      throw fail("invalid_argument", "conflicting options: mac-address and the network mode");
    return [];
  }
  const asked = Object.entries(endpoints);
  const all = asked.length === 0 ? [[networkMode, null] as const] : asked;
  const mode = nameOf(networks, networkMode);
  const connected: NetworkRecord[] = [];
  const attachments = new Map<string, AttachmentRecord>();
  for (const [reference, wishes] of all) {
    const wanted = reference === "default" ? networkMode : reference;
    const network = findOrNone(networks, wanted);
    const name = network?.name ?? wanted;
    const config = withMac(wishes ?? NO_WISHES, name === mode ? request.macAddress : "", name);
    checkWishes(name, network, config);
    if (network !== undefined) {
      checkConnection(networkMode, connected, network);
      checkRatesIn(network, request.rates);
      connected.push(network);
    }
    if (attachments.has(name))
      throw fail("invalid_argument", `network ${JSON.stringify(name)} is named twice`);
    attachments.set(name, { container, network: name, networkId: network?.id ?? "", config });
  }
  return [...attachments.values()];
}

function checkWishes(name: string, network: NetworkRecord | undefined, config: EndpointConfig): void {
  try {
    checkEndpoint(name, network, config);
  } catch (error) {
    throw fail("invalid_argument", `invalid config for network ${name}: ${messageOf(error)}`, error);
  }
}

function withMac(config: EndpointConfig, macAddress: string, network: string): EndpointConfig {
  if (macAddress === "") return config;
  parseMacAddress(macAddress);
  if (config.MacAddress === "") return { ...config, MacAddress: macAddress };
  if (parseMacAddress(config.MacAddress) !== parseMacAddress(macAddress))
    throw fail(
      "invalid_argument",
      `the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty: ${network}`,
    );
  return config;
}

function nameOf(networks: Pick<Networks, "find">, reference: string): string {
  return findOrNone(networks, reference)?.name ?? reference;
}

export function findOrNone(networks: Pick<Networks, "find">, reference: string): NetworkRecord | undefined {
  try {
    return networks.find(reference);
  } catch (error) {
    if (isCategory(error, "not_found")) return undefined;
    throw error;
  }
}
