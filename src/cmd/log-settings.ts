/** The log driver of containers that name none, and its options: by flags and by daemon.json. The keys are dockerd's. */
import { fail, messageOf } from "../base/errors.ts";
import { checkLogOptions } from "../core/logging/log-drivers.ts";
import type { LogConfig } from "../specs/engine/container.ts";
import { emptyMap } from "../specs/engine/fields.decode.ts";
import { settingText } from "./setting-values.ts";

type Texts = Readonly<Record<string, string>>;

/** Absent = not said. */
export interface LogSettings {
  readonly "log-driver"?: string;
  readonly "log-opts"?: Texts;
}

export const LOG_HELP = `      --log-driver NAME        log driver of containers that name none (default "json-file")
      --log-opt NAME=VALUE     option of that driver; can be repeated
`;

export const LOG_FLAGS: ReadonlyMap<string, (text: string, before: LogSettings) => LogSettings> = new Map<
  string,
  (text: string, before: LogSettings) => LogSettings
>([
  ["--log-driver", (text) => ({ "log-driver": text })],
  ["--log-opt", (text, before) => ({ "log-opts": withOption(before["log-opts"] ?? {}, text) })],
]);

/** Keys of daemon.json. */
export const LOG_READERS: Readonly<Record<string, (value: unknown) => LogSettings>> = Object.assign(
  emptyMap<(value: unknown) => LogSettings>(),
  {
    "log-driver": (value: unknown) => ({ "log-driver": settingText("log-driver", value) }),
    "log-opts": (value: unknown) => ({ "log-opts": textsOf(value) }),
  },
);

/** Throws `invalid_argument`. */
export function logConfigOf(settings: LogSettings): LogConfig {
  const Type = settings["log-driver"] ?? "json-file";
  const Config = Object.assign(emptyMap<string>(), settings["log-opts"]);
  try {
    checkLogOptions(Type, new Map(Object.entries(Config)));
  } catch (error) {
    throw fail("invalid_argument", `failed to set log opts: ${messageOf(error)}`, error);
  }
  return { Type, Config };
}

function withOption(options: Texts, text: string): Texts {
  const at = text.indexOf("=");
  if (at < 1) throw fail("invalid_argument", `"--log-opt ${text}" is not NAME=VALUE`);
  return Object.assign(emptyMap<string>(), options, { [text.slice(0, at)]: text.slice(at + 1) });
}

/** All values are texts, as dockerd has it: {"max-size": "10m", "max-file": "3"}. */
function textsOf(value: unknown): Texts {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw fail("invalid_argument", '"log-opts" must be an object');
  const texts = emptyMap<string>();
  for (const [name, text] of Object.entries(value)) texts[name] = settingText(`log-opts.${name}`, text);
  return texts;
}
