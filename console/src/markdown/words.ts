/** The few words in rendered Markdown. */
import { words } from '../i18n/words';

export const t = words({
  en: { copyCode: 'Copy', copied: 'Copied' },
  zh: { copyCode: '复制', copied: '已复制' },
});
