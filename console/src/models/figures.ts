/** Figures of this page as people say them. */
import { duration, number } from '../i18n/format';
import { t } from './words';

/** Lengths of contexts: 32768 is 32K, 2000 is 2,000. */
export function contextText(tokens: number): string {
  return tokens >= 1024 && tokens % 1024 === 0 ? `${number(tokens / 1024)}K` : number(tokens);
}

/** A time that is left: no fractions of seconds. */
export function roughly(seconds: number): string {
  return seconds < 10 ? t('moments') : duration(seconds);
}
