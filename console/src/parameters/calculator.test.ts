import { expect, test } from 'vitest';
import { calculate, CalculatorError, show } from './calculator';

test.each([
  ['2 + 3 * 4', '14'],
  ['-2 ^ 2', '-4'],
  ['2 ^ 3 ^ 2', '512'],
  ['0.1 + 0.2', '0.3'],
  ['sqrt(2) ** 2', '2'],
  ['10!', '3628800'],
  ['17 % 5', '2'],
  ['max(1, 2, 3) × 2', '6'],
  ['1e3 / .5', '2000'],
  ['-(1 - 3)', '2'],
])('%s is %s', (expression, value) => {
  expect(show(calculate(expression))).toBe(value);
});

test.each(['', '1 +', '(', 'constructor', '__proto__', 'toString()', 'a.b', 'alert(1)', '1 / 0', '2 3', 'pow(2)', '171!', '['])(
  '%j is refused with a sentence',
  (expression) => {
    expect(() => calculate(expression)).toThrow(CalculatorError);
  },
);

test('nesting without end is refused, not a crash', () => {
  expect(() => calculate('('.repeat(900))).toThrow(CalculatorError);
  expect(() => calculate('-'.repeat(900) + '1')).toThrow(CalculatorError);
});
