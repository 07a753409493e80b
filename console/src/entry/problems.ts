/** What the server says when nobody gets in, in the user's language. */
import { ApiFailure, sentence } from '../api/client';
import { t } from './words';

export function told(error: unknown): string {
  if (!(error instanceof ApiFailure)) return sentence(error);
  if (error.code === 'wrong_login') return t('wrongLogin');
  if (error.code === 'wrong_token') return t('wrongToken');
  const seconds = /\d+/.exec(error.message);
  if (error.code === 'rate_limit_exceeded' && seconds) return t('wait', { count: Number(seconds[0]) });
  return sentence(error);
}
