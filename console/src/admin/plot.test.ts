import { expect, test } from 'vitest';

import type { UsageRow } from '../api/types';
import { plotOf, ticksTo } from './plot';

function row(day: string, model: string, tokens: number): UsageRow {
  return { day, model, user_id: 'u', user: 'anna', requests: 1, prompt_tokens: tokens - 1, cached_tokens: 0, completion_tokens: 1 };
}

test('each day has a bar, also those without use, and its models lie on one another', () => {
  const plot = plotOf([row('2026-11-20', 'small', 10), row('2026-11-20', 'large', 30), row('2026-11-22', 'small', 5)], 4, '2026-11-22');
  expect(plot.bars.map((bar) => [bar.day, bar.total])).toEqual([
    ['2026-11-19', 0],
    ['2026-11-20', 40],
    ['2026-11-21', 0],
    ['2026-11-22', 5],
  ]);
  expect(plot.series.map((series) => series.model)).toEqual(['large', 'small']);
  expect(plot.bars[1]!.segments).toEqual([
    { series: 0, from: 0, to: 30 },
    { series: 1, from: 30, to: 40 },
  ]);
});

test('no token is lost where there are more models than colours', () => {
  const rows = Array.from({ length: 9 }, (_, index) => row('2026-11-22', `model ${index}`, 10 + index));
  const plot = plotOf(rows, 7, '2026-11-22');
  expect(plot.series).toHaveLength(6);
  expect(plot.series.at(-1)).toEqual({ model: null, tokens: 10 + 11 + 12 + 13 });
  expect(plot.bars.at(-1)!.total).toBe(126);
  expect(plot.bars.at(-1)!.segments.at(-1)!.to).toBe(126);
});

test('a year is drawn week by week', () => {
  const plot = plotOf([row('2026-11-22', 'small', 10), row('2026-11-16', 'small', 20), row('2026-11-15', 'small', 40)], 365, '2026-11-22');
  expect(plot.width).toBe(7);
  expect(plot.bars).toHaveLength(53);
  expect(plot.bars.at(-1)).toMatchObject({ day: '2026-11-16', total: 30 });
  expect(plot.bars.at(-2)).toMatchObject({ total: 40 });
});

test.each([0, 1, 3, 7, 99, 100, 101, 12_345, 9_999_999])('the axis goes in few round steps beyond %d', (most) => {
  const ticks = ticksTo(most);
  expect(ticks.at(-1)).toBeGreaterThanOrEqual(most);
  expect(ticks.length).toBeLessThanOrEqual(6);
  expect(ticks.every((tick) => Number.isInteger(tick))).toBe(true);
});
