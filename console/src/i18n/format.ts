/** Numbers, sizes and times as the current language writes them. */
import { language } from './language.svelte';

const DAY = 86_400;

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(language.tag, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
}

/** 32,768 → 32.8K; where room is short. */
export function compact(value: number): string {
  return new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(value);
}

/** A share of 0 to 1. */
export function percent(value: number, digits = 0): string {
  return new Intl.NumberFormat(language.tag, { style: 'percent', maximumFractionDigits: digits }).format(value);
}

/** 1.5 GB: powers of ten, as disks and downloads are sold. */
export function bytes(value: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${number(value, unit > 0 && value < 99.95 ? 1 : 0)} ${units[unit]}`;
}

/** 0.42 s, 1 min 20 s, 2 h 5 min. */
export function duration(seconds: number): string {
  const zh = language.current === 'zh';
  const [s, min, h] = zh ? [' 秒', ' 分', ' 小时'] : [' s', ' min', ' h'];
  if (seconds < 9.995) return number(seconds, 2) + s;
  // Rounded before it is taken apart: 119.7 s are 2 min, not 1 min 60 s.
  const whole = Math.round(seconds);
  const minutes = Math.round(seconds / 60);
  if (whole < 60) return number(whole) + s;
  if (whole < 3600) return `${number(Math.floor(whole / 60))}${min}${whole % 60 ? ` ${number(whole % 60)}${s}` : ''}`;
  return `${number(Math.floor(minutes / 60))}${h}${minutes % 60 ? ` ${number(minutes % 60)}${min}` : ''}`;
}

/** 22 Nov 2026. `at` in Unix seconds, as everywhere in the API. */
export function date(at: number): string {
  return new Intl.DateTimeFormat(language.tag, { dateStyle: 'medium' }).format(at * 1000);
}

/** 22 Nov 2026, 07:40. */
export function moment(at: number): string {
  return new Intl.DateTimeFormat(language.tag, { dateStyle: 'medium', timeStyle: 'short' }).format(at * 1000);
}

/** 5 minutes ago, yesterday; a date from a week on. */
export function ago(at: number, style: 'long' | 'narrow' = 'long', now = Date.now() / 1000): string {
  const seconds = Math.round(at - now);
  const relative = new Intl.RelativeTimeFormat(language.tag, { numeric: 'auto', style });
  const distance = Math.abs(seconds);
  if (distance < 60) return relative.format(0, 'second');
  if (distance < 3600) return relative.format(Math.round(seconds / 60), 'minute');
  if (distance < DAY) return relative.format(Math.round(seconds / 3600), 'hour');
  if (distance < 7 * DAY) return relative.format(Math.round(seconds / DAY), 'day');
  return date(at);
}
