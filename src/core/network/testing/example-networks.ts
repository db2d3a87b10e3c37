/** Networks and requests for tests: plain ones, with whatever a test wants otherwise. */
import type { NetworkCreateRequest } from "../../../specs/engine/network.ts";
import type { NetworkRecord } from "../network-record.ts";

export const PLAIN_REQUEST: NetworkCreateRequest = {
  Name: "n",
  Driver: "",
  Scope: "",
  EnableIPv4: null,
  EnableIPv6: null,
  IPAM: null,
  Internal: false,
  Attachable: false,
  Ingress: false,
  ConfigOnly: false,
  ConfigFrom: "",
  Options: {},
  Labels: {},
};

export function exampleNetwork(more: Partial<NetworkRecord> = {}): NetworkRecord {
  return {
    id: "a".repeat(64),
    name: "n",
    created: "2026-01-02T03:04:05.678901234Z",
    driver: "bridge",
    hasIpv4: true,
    hasIpv6: false,
    isInternal: false,
    isAttachable: false,
    isConfigOnly: false,
    configFrom: "",
    options: {},
    labels: {},
    ipam: { options: {}, ipv4: [], ipv6: [] },
    subnets: {
      ipv4: [{ subnet: "172.18.0.0/16", range: "", gateway: "172.18.0.1", auxiliary: {} }],
      ipv6: [],
    },
    ...more,
  };
}
