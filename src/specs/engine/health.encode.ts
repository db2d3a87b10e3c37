import type { HealthConfig } from "./container.ts";

/** As Docker writes one, in images and in answers: what was not said is left out. */
export function healthConfigDocument(config: HealthConfig): Readonly<Record<string, unknown>> {
  const { Test, Interval, Timeout, StartPeriod, StartInterval, Retries } = config;
  return {
    ...(Test === null || Test.length === 0 ? {} : { Test }),
    ...(Interval === 0 ? {} : { Interval }),
    ...(Timeout === 0 ? {} : { Timeout }),
    ...(StartPeriod === 0 ? {} : { StartPeriod }),
    ...(StartInterval === 0 ? {} : { StartInterval }),
    ...(Retries === 0 ? {} : { Retries }),
  };
}
