/** Lengths of contexts as people say them: 32768 is 32K, 2000 is 2,000. */
import { number } from '../i18n/format';

export function contextText(tokens: number): string {
  return tokens >= 1024 && tokens % 1024 === 0 ? `${number(tokens / 1024)}K` : number(tokens);
}
