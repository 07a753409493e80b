/** The entries of a comparison while they are being chosen: their letters, their names, what sets them apart. */

import type { ChatSettings } from '../api/types';
import { changed } from '../parameters/settings';
import { t } from './words';

export interface Draft {
  model: string;
  /** What the user called it; empty: named by what it is. */
  label: string;
  settings: Partial<ChatSettings>;
}

export const FEWEST = 2;
export const MOST = 3;

const NUMBERS = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'repetition_penalty',
  'max_tokens',
  'context_length',
  'seed',
] as const;

export function letter(index: number): string {
  return 'ABC'[index] ?? String(index + 1);
}

/** The settings that differ from the defaults, in a few words each. */
export function differences(settings: Partial<ChatSettings>): string[] {
  const own = changed(settings, {});
  const told: string[] = NUMBERS.filter((name) => typeof own[name] === 'number').map((name) =>
    t(name, { value: String(own[name]) }),
  );
  if (own.system) told.unshift(t('hasSystem'));
  if (own.stop?.length) told.push(t('hasStop'));
  if (own.speculation === false) told.push(t('noSpeculation'));
  if (own.json_mode && own.json_mode !== 'off') told.push(t('json'));
  return told;
}

/** The names of all entries: the model alone where that tells them apart, else with what differs. */
export function labels(drafts: readonly Draft[]): string[] {
  return drafts.map((draft) => {
    if (draft.label.trim()) return draft.label.trim();
    const alone = drafts.filter((other) => other.model === draft.model).length === 1;
    const told = differences(draft.settings);
    return alone || !told.length ? draft.model : `${draft.model} · ${told.join(', ')}`.slice(0, 100);
  });
}

/** Two entries of which nobody could tell one from the other. */
export function anySame(drafts: readonly Draft[]): boolean {
  const keys = drafts.map(({ model, settings }) => JSON.stringify([model, sorted(changed(settings, {}))]));
  return new Set(keys).size < keys.length;
}

function sorted(settings: Partial<ChatSettings>): [string, unknown][] {
  return Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1));
}
