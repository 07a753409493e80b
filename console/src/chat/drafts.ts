/** What was typed and not yet sent, kept by the browser for each chat. */

import type { Attachment } from '../api/types';

export interface Draft {
  text: string;
  attachments: Attachment[];
}

const PREFIX = 'sevenb.draft.';
/** A browser keeps some five million characters for a site: larger attachments are not worth the place. */
const MOST_CHARACTERS = 1_000_000;

export const EMPTY_DRAFT: Draft = { text: '', attachments: [] };

/** `chatId` null: the draft of the next new chat. `user` keeps the drafts of people who share a browser apart. */
function keyOf(user: string, chatId: string | null): string {
  return `${PREFIX}${user}.${chatId ?? 'new'}`;
}

export function readDraft(user: string, chatId: string | null): Draft {
  try {
    const kept = JSON.parse(localStorage.getItem(keyOf(user, chatId)) ?? 'null') as Partial<Draft> | null;
    if (!kept || typeof kept.text !== 'string') return EMPTY_DRAFT;
    const attachments = Array.isArray(kept.attachments) ? kept.attachments : [];
    return {
      text: kept.text,
      attachments: attachments.filter(
        (file) => typeof file?.name === 'string' && typeof file?.text === 'string',
      ),
    };
  } catch {
    return EMPTY_DRAFT;
  }
}

export function keepDraft(user: string, chatId: string | null, draft: Draft): void {
  try {
    const key = keyOf(user, chatId);
    if (!draft.text && draft.attachments.length === 0) {
      localStorage.removeItem(key);
      return;
    }
    const whole = JSON.stringify(draft);
    localStorage.setItem(
      key,
      whole.length <= MOST_CHARACTERS ? whole : JSON.stringify({ text: draft.text, attachments: [] }),
    );
  } catch {
    // A browser that keeps nothing (private window, full): the draft lives as long as the page.
  }
}

export function dropDraft(user: string, chatId: string | null): void {
  keepDraft(user, chatId, EMPTY_DRAFT);
}
