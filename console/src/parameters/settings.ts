/** The parameters of a chat: what they are without the user's doing, their bounds, and which of them were changed. */

import type { ChatSettings } from '../api/types';

export type Settings = Partial<ChatSettings>;

export const UNTOUCHED: ChatSettings = {
  system: '',
  temperature: null,
  top_p: null,
  top_k: null,
  min_p: null,
  repetition_penalty: null,
  max_tokens: null,
  context_length: null,
  overflow: 'error',
  seed: null,
  stop: [],
  speculation: true,
  json_mode: 'off',
  json_schema: null,
  tools: [],
};

export interface Range {
  least: number;
  most: number;
  step: number;
  /** What the server takes where nothing was chosen. */
  neutral: number;
}

/** Of the sliders. What lies beyond is of no use to anybody, though the server would take it. */
export const RANGES = {
  temperature: { least: 0, most: 2, step: 0.05, neutral: 1 },
  top_p: { least: 0.05, most: 1, step: 0.05, neutral: 1 },
  top_k: { least: 0, most: 200, step: 1, neutral: 0 },
  min_p: { least: 0, most: 1, step: 0.01, neutral: 0 },
  repetition_penalty: { least: 0.5, most: 2, step: 0.05, neutral: 1 },
} satisfies Record<string, Range>;

export type SliderName = keyof typeof RANGES;

export const SMALLEST_CONTEXT = 256;
/** Beyond it numbers are no longer exact in a browser. */
export const LARGEST_SEED = Number.MAX_SAFE_INTEGER;

export function complete(settings: Settings): ChatSettings {
  return { ...UNTOUCHED, ...settings };
}

/** `settings` with `changes`, less what is as it would be anyway. */
export function changed(settings: Settings, changes: Settings): Settings {
  const whole: Settings = { ...settings, ...changes };
  return Object.fromEntries(
    Object.entries(whole).filter(([name, value]) => !same(value, UNTOUCHED[name as keyof ChatSettings])),
  );
}

/** The names of what the user has chosen. A schema counts with its mode. */
export function chosen(settings: Settings): (keyof ChatSettings)[] {
  return (Object.keys(changed(settings, {})) as (keyof ChatSettings)[]).filter((name) => name !== 'json_schema');
}

function same(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

/** A number that a person typed, or null where it is none within the bounds. */
export function readNumber(text: string, least: number, most: number, whole: boolean): number | null {
  const trimmed = text.trim().replace(',', '.');
  if (!trimmed) return null;
  const value = Number(trimmed);
  return Number.isFinite(value) && value >= least && value <= most && (!whole || Number.isInteger(value)) ? value : null;
}
