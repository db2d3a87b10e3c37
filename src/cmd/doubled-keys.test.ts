import { expect, test } from "bun:test";
import { doubledKeys } from "./doubled-keys.ts";

test.each([
  ['{"a": 1, "b": 2}', []],
  ['{"a": 1, "a": 2, "b": 3, "b": 3, "b": 4}', ["a", "b"]],
  // Another spelling of the same key.
  [String.raw`{"a": 1, "\u0061": 2}`, ["a"]],
  // Deeper ones and values are none of the outermost object's keys.
  ['{"a": {"b": 1, "b": 2}, "b": ["a", "a"], "c": "b"}', []],
  [String.raw`{"x": "\"a\": {", "a": "}", "a" : 1}`, ["a"]],
  ["[]", []],
])("doubledKeys(%s)", (text, doubled) => {
  expect(doubledKeys(text)).toEqual(doubled);
});
