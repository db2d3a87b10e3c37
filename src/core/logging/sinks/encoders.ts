import type { RemoteLog } from "../remote-log.ts";
import type { Encoder } from "./encoder.ts";
import { fluentdEncoder } from "./fluentd.ts";
import { gelfEncoder } from "./gelf.ts";
import { journaldEncoder } from "./journald.ts";
import { syslogEncoder } from "./syslog.ts";

export function encoderOf(target: RemoteLog): Encoder {
  switch (target.kind) {
    case "syslog":
      return syslogEncoder(target);
    case "journald":
      return journaldEncoder(target);
    case "fluentd":
      return fluentdEncoder(target);
    case "gelf":
      return gelfEncoder(target);
  }
}
