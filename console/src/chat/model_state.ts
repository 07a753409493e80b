/** How a model stands, in words. */

import type { ModelInfo } from '../api/types';
import { percent } from '../i18n/format';
import { t } from './words';

export function stateText(model: ModelInfo): string {
  if (model.source === 'upstream') return t('state_upstream', { upstream: model.upstream ?? '' });
  switch (model.state) {
    case 'ready':
      return t('state_ready');
    case 'loading':
      return model.progress === null ? t('state_loading') : `${t('state_loading')} ${percent(model.progress)}`;
    case 'restarting':
      return t('state_restarting');
    case 'unloading':
      return t('state_unloading');
    default:
      return t('state_installed');
  }
}
