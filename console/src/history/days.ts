/** Parts a list of chats by the day on which they were last used. */

import type { ChatSummary } from '../api/types';

/** `month` and `year` carry the date that names them. */
export type Period = 'today' | 'yesterday' | 'week' | 'month' | 'year';

export interface DayGroup {
  /** Stays the same while chats come and go. */
  key: string;
  period: Period;
  /** The beginning of the period, Unix seconds. */
  since: number;
  chats: ChatSummary[];
}

const DAY = 86_400;

/** Groups chats that come newest first; `now` in Unix seconds, days as the reader's clock has them. */
export function groupByDay(chats: readonly ChatSummary[], now: number): DayGroup[] {
  const groups: DayGroup[] = [];
  for (const chat of chats) {
    const { key, period, since } = periodOf(chat.updated_at, now);
    const last = groups.at(-1);
    if (last?.key === key) last.chats.push(chat);
    else groups.push({ key, period, since, chats: [chat] });
  }
  return groups;
}

function periodOf(time: number, now: number): { key: string; period: Period; since: number } {
  const today = midnight(now);
  if (time >= today) return { key: 'today', period: 'today', since: today };
  // Noon is safe from the hour that clocks lose or gain.
  const yesterday = midnight(today - DAY / 2);
  if (time >= yesterday) return { key: 'yesterday', period: 'yesterday', since: yesterday };
  const week = midnight(today - 6.5 * DAY);
  if (time >= week) return { key: 'week', period: 'week', since: week };
  const date = new Date(time * 1000);
  const year = date.getFullYear();
  if (year === new Date(now * 1000).getFullYear()) {
    const since = new Date(year, date.getMonth(), 1).getTime() / 1000;
    return { key: `${year}-${date.getMonth() + 1}`, period: 'month', since };
  }
  return { key: String(year), period: 'year', since: new Date(year, 0, 1).getTime() / 1000 };
}

function midnight(time: number): number {
  const date = new Date(time * 1000);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime() / 1000;
}
