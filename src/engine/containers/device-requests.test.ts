import { expect, test } from "bun:test";
import type { DeviceRequest } from "../../specs/engine/container.ts";
import { requestedDevices } from "./device-requests.ts";

const gpu = (more: Partial<DeviceRequest> = {}): DeviceRequest => ({
  Driver: "",
  Count: -1,
  DeviceIDs: null,
  Capabilities: [["gpu"]],
  Options: {},
  ...more,
});
const cdi = (more: Partial<DeviceRequest> = {}): DeviceRequest =>
  gpu({
    Driver: "cdi",
    Count: 0,
    DeviceIDs: ["v.com/c=a", "v.com/c=b", "v.com/c=a"],
    Capabilities: null,
    ...more,
  });
const NVIDIA = new Set(["nvidia.com/gpu=0", "nvidia.com/gpu=all"]);

test("CDI devices are named, each once", () => {
  expect(requestedDevices([cdi()], new Set())).toEqual(["v.com/c=a", "v.com/c=b"]);
});

test("GPUs are those of NVIDIA's specifications: all, some, or by name", () => {
  expect(requestedDevices([gpu()], NVIDIA)).toEqual(["nvidia.com/gpu=all"]);
  expect(requestedDevices([gpu({ Driver: "nvidia", Count: 2 })], NVIDIA)).toEqual([
    "nvidia.com/gpu=0",
    "nvidia.com/gpu=1",
  ]);
  const ids = gpu({ Count: 0, DeviceIDs: ["GPU-1", "nvidia.com/gpu=3"], Capabilities: [["utility", "gpu"]] });
  expect(requestedDevices([ids], NVIDIA)).toEqual(["nvidia.com/gpu=GPU-1", "nvidia.com/gpu=3"]);
});

test.each<[DeviceRequest, ReadonlySet<string> | undefined, string]>([
  [gpu(), new Set(["v.com/c=a"]), 'could not select device driver "" with capabilities: [[gpu]]'],
  [gpu(), undefined, 'could not select device driver "" with capabilities: [[gpu]]'],
  [gpu({ Capabilities: [["tpu", "gpu"]] }), NVIDIA, "with capabilities: [[tpu gpu]]"],
  [gpu({ Driver: "amd" }), NVIDIA, 'could not select device driver "amd" with capabilities: [[gpu]]'],
  [cdi(), undefined, 'could not select device driver "cdi" with capabilities: []'],
  [cdi({ Count: 1 }), NVIDIA, "unexpected count in CDI device request"],
  [cdi({ Options: { a: "b" } }), NVIDIA, "unexpected options in CDI device request"],
  [gpu({ Count: 1, DeviceIDs: ["0"] }), NVIDIA, "cannot set both Count and DeviceIDs on device request"],
])("%j is refused", (request, known, message) => {
  expect(() => requestedDevices([request], known)).toThrow(message);
});
