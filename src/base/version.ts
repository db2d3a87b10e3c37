/** Set by tools/build.ts; sources run directly (development, tests) say so. */
declare const GANTRY_VERSION: string | undefined;
declare const GANTRY_COMMIT: string | undefined;

export const VERSION: string = typeof GANTRY_VERSION === "string" ? GANTRY_VERSION : "0.0.0-dev";
export const COMMIT: string = typeof GANTRY_COMMIT === "string" ? GANTRY_COMMIT : "";
