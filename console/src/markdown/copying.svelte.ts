/** What the copy buttons in code do: the clipboard, the word on the button, and what a screen reader says. */
import { common, copyText } from '../design';
import { toasts } from '../state/toasts.svelte';
import { codeOf } from './code';
import { t } from './words';

/** So long a button says that it has copied. */
const SAID = 1600;

export class Copying {
  announcement = $state('');

  readonly onclick = async (event: MouseEvent): Promise<void> => {
    const button = (event.target as Element).closest<HTMLButtonElement>('.markdown-copy');
    if (button === null) return;
    if (!(await copyText(codeOf(button)))) {
      toasts.error(common('notCopied'));
      return;
    }
    this.announcement = button.textContent = t('copied');
    setTimeout(() => {
      button.textContent = t('copyCode');
      this.announcement = '';
    }, SAID);
  };
}
