/** The event that Docker publishes when the daemon has read its options anew; the attributes are what counts now. */
import type { EventSink } from "../containers/announce.ts";
import { nowNs } from "../containers/timestamp.ts";

export interface ReloadedOptions {
  readonly debug: boolean;
  readonly labels: readonly string[];
  readonly "authorization-plugins": readonly string[];
  readonly "live-restore": boolean;
  readonly "shutdown-timeout": number;
  readonly "default-stop-timeout": number;
  readonly "max-concurrent-downloads": number;
  readonly "max-concurrent-uploads": number;
  readonly "default-runtime": string;
  readonly runtimes: readonly string[];
  readonly "registry-mirrors"?: readonly string[];
  readonly "insecure-registries"?: readonly string[];
  readonly "max-download-attempts"?: number;
}

export function announceReload(
  events: EventSink,
  engine: { readonly id: string; readonly name: string },
  options: ReloadedOptions,
): void {
  const timeNano = nowNs();
  const list = (items: readonly string[] | undefined): string => JSON.stringify(items ?? []);
  events.publish({
    Type: "daemon",
    Action: "reload",
    Actor: {
      ID: engine.id,
      Attributes: {
        name: engine.name,
        debug: String(options.debug),
        labels: list(options.labels),
        "authorization-plugins": list(options["authorization-plugins"]),
        "live-restore": String(options["live-restore"]),
        "shutdown-timeout": String(options["shutdown-timeout"]),
        "default-stop-timeout": String(options["default-stop-timeout"]),
        "max-concurrent-downloads": String(options["max-concurrent-downloads"]),
        "max-concurrent-uploads": String(options["max-concurrent-uploads"]),
        "default-runtime": options["default-runtime"],
        runtimes: options.runtimes.join(" "),
        "registry-mirrors": list(options["registry-mirrors"]),
        "insecure-registries": list(options["insecure-registries"]),
        "max-download-attempts": String(options["max-download-attempts"] ?? 5),
      },
    },
    scope: "local",
    time: Number(timeNano / 1_000_000_000n),
    timeNano,
  });
}
