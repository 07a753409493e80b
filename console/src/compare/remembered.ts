/** The entries that were compared last, in this browser. */

import { FEWEST, MOST, type Draft } from './entries';

const STORED = 'sevenb.compare';

export function remembered(): Draft[] | null {
  try {
    const value = JSON.parse(localStorage.getItem(STORED) ?? 'null') as Draft[] | null;
    return Array.isArray(value) && value.length >= FEWEST && value.length <= MOST && value.every(isDraft) ? value : null;
  } catch {
    return null;
  }
}

export function remember(drafts: readonly Draft[]): void {
  try {
    localStorage.setItem(STORED, JSON.stringify(drafts));
  } catch {
    // Next time they are chosen anew.
  }
}

function isDraft(value: Partial<Draft> | null): boolean {
  return typeof value?.model === 'string' && typeof value.label === 'string' && typeof value.settings === 'object';
}
