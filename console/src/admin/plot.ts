/** What the usage plot draws: tokens a day (or week) stacked by model, with an axis of round numbers. */
import type { UsageRow } from '../api/types';

/** Models with a colour of their own; the rest share the last one. */
export const OWN_COLOURS = 5;
/** Longer periods are drawn week by week. */
const LONGEST_BY_DAY = 92;
const DAY_MS = 86_400_000;

export interface Segment {
  /** Index of the series. */
  series: number;
  from: number;
  to: number;
}

export interface Bar {
  /** The first day of it: 2026-11-22. */
  day: string;
  total: number;
  segments: Segment[];
}

export interface Plot {
  /** The models by their tokens, most first; null stands for all others together. */
  series: { model: string | null; tokens: number }[];
  bars: Bar[];
  /** Days that one bar stands for. */
  width: 1 | 7;
  /** From 0 to the top of the axis. */
  ticks: number[];
}

export function tokensOf(row: UsageRow): number {
  return row.prompt_tokens + row.completion_tokens;
}

/** `today`: the last day, as the server counts them (UTC). */
export function plotOf(rows: readonly UsageRow[], days: number, today: string): Plot {
  const width = days > LONGEST_BY_DAY ? 7 : 1;
  const last = Date.parse(today);
  const count = Math.ceil(days / width);
  const first = last - (count * width - 1) * DAY_MS;

  const models = [...totals(rows, (row) => row.model, tokensOf)].sort(([, a], [, b]) => b - a);
  const own = models.length > OWN_COLOURS + 1 ? models.slice(0, OWN_COLOURS) : models;
  const series: Plot['series'] = own.map(([model, tokens]) => ({ model, tokens }));
  const others = models.slice(own.length).reduce((sum, [, tokens]) => sum + tokens, 0);
  if (others) series.push({ model: null, tokens: others });
  const indexOf = new Map(own.map(([model], index) => [model, index]));

  const sums = Array.from({ length: count }, () => new Array<number>(series.length).fill(0));
  for (const row of rows) {
    const bar = sums[Math.floor((Date.parse(row.day) - first) / DAY_MS / width)];
    const index = indexOf.get(row.model) ?? series.length - 1;
    if (bar) bar[index] = (bar[index] ?? 0) + tokensOf(row);
  }
  const bars = sums.map((values, at) => stacked(values, new Date(first + at * width * DAY_MS).toISOString().slice(0, 10)));
  return { series, bars, width, ticks: ticksTo(Math.max(0, ...bars.map((bar) => bar.total))) };
}

function stacked(values: number[], day: string): Bar {
  let total = 0;
  const segments: Segment[] = [];
  values.forEach((value, series) => {
    if (value) segments.push({ series, from: total, to: (total += value) });
  });
  return { day, total, segments };
}

/** Round numbers from 0 to at least `most`, three to six of them. */
export function ticksTo(most: number): number[] {
  if (most <= 0) return [0];
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

export function totals<Row, Key>(rows: readonly Row[], key: (row: Row) => Key, value: (row: Row) => number): Map<Key, number> {
  const found = new Map<Key, number>();
  for (const row of rows) found.set(key(row), (found.get(key(row)) ?? 0) + value(row));
  return found;
}
