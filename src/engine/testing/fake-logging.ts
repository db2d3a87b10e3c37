import { compileTemplate } from "../../cli/output/template.ts";
import type { ForwardedLog, LogForwarding } from "../../core/logging/forwarding.ts";
import type { LogSettings } from "../containers/log-options.ts";

/** Remembers what it was asked for. */
export class FakeForwarding implements LogForwarding {
  readonly followed: ForwardedLog[] = [];
  readonly released: string[] = [];

  follow(log: ForwardedLog): void {
    this.followed.push(log);
  }

  async release(id: string): Promise<void> {
    this.released.push(id);
  }

  async stop(): Promise<void> {}
}

export function fakeLogging(more: Partial<LogSettings> = {}): LogSettings {
  return {
    defaults: { Type: "json-file", Config: {} },
    renderTag: (template, name, data) => compileTemplate(template, name).execute(data),
    hostname: "testhost",
    forwarding: new FakeForwarding(),
    ...more,
  };
}
