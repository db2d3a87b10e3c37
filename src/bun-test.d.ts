/** The part of Bun's test runner that the unit tests use; its published types would replace those of Node. */
declare module "bun:test" {
  interface Matchers {
    readonly not: Matchers;
    /** Awaited: the expectation of what a promise becomes. */
    readonly resolves: LaterMatchers;
    readonly rejects: LaterMatchers;
    toBe(expected: unknown): void;
    toEqual(expected: unknown): void;
    toStrictEqual(expected: unknown): void;
    toMatchObject(expected: object): void;
    toMatch(expected: string | RegExp): void;
    toContain(expected: unknown): void;
    toHaveLength(expected: number): void;
    toThrow(expected?: string | RegExp | Error): void;
    toBeUndefined(): void;
    toBeDefined(): void;
    toBeNull(): void;
    toBeGreaterThan(expected: number | bigint): void;
    toBeGreaterThanOrEqual(expected: number | bigint): void;
    toBeLessThan(expected: number | bigint): void;
    toBeLessThanOrEqual(expected: number | bigint): void;
    toBeInstanceOf(expected: unknown): void;
  }
  type LaterMatchers = {
    readonly [M in Exclude<keyof Matchers, "not" | "resolves" | "rejects">]: (
      ...expected: Parameters<Matchers[M]>
    ) => Promise<void>;
  };
  type Body = () => void | Promise<void>;
  interface Test {
    (name: string, body: Body, timeoutMs?: number): void;
    skipIf(condition: boolean): Test;
  }
  export const test: Test;
  export function describe(name: string, body: () => void): void;
  export function expect(actual: unknown): Matchers;
  export function beforeAll(body: Body): void;
  export function beforeEach(body: Body): void;
  export function afterAll(body: Body): void;
  export function afterEach(body: Body): void;
}
