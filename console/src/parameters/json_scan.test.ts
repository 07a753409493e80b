import { expect, test } from 'vitest';
import { findMistake } from './json_scan';

test.each(['{"a":1}', '[]', ' null ', '"\\u00e9"', '-1.5e3', '{"a":[1,{"b":null}]}', '"中文"'])('%s is JSON', (text) => {
  expect(findMistake(text)).toBeNull();
  JSON.parse(text);
});

test.each([
  ['', 'unexpected_end', 1, 1],
  ['{"a":1,}', 'trailing_comma', 1, 7],
  ['[1,\n]', 'trailing_comma', 1, 3],
  ['{a:1}', 'expected_key', 1, 2],
  ['{"a" 1}', 'expected_colon', 1, 6],
  ['{\n  "a": 1\n  "b": 2\n}', 'expected_comma', 3, 3],
  ["'x'", 'unexpected', 1, 1],
  ['01', 'bad_number', 1, 1],
  ['True', 'bad_word', 1, 1],
  ['"a\nb"', 'control_character', 1, 3],
  ['"\\x"', 'bad_escape', 1, 2],
  ['{"a":1,"a":2}', 'duplicate_key', 1, 8],
  ['{}x', 'extra', 1, 3],
  ['"abc', 'unexpected_end', 1, 5],
])('%j is wrong at its place', (text, problem, line, column) => {
  expect(findMistake(text)).toMatchObject({ problem, line, column });
});

test('nesting without end is refused, not a crash', () => {
  expect(findMistake('['.repeat(100_000))?.problem).toBe('too_deep');
});
