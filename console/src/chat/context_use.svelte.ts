/** What the next prompt takes of the context, asked of the server when one has stopped typing for a moment. */

import { api } from '../api/client';
import type { Attachment, ContextUse } from '../api/types';
import { complete } from '../parameters/settings';
import { connection } from '../state/connection.svelte';
import type { Chat } from './chat.svelte';

const REST_MS = 400;

export class ContextMeter {
  /** Null until it is known. */
  use: ContextUse | null = $state.raw(null);

  /** Called within a component. */
  constructor(chat: () => Chat, draft: () => { text: string; attachments: Attachment[] }) {
    $effect(() => {
      const { id, model, settings, busy, leafId } = chat();
      const { text, attachments } = draft();
      if (busy || !connection.online) return;
      const content = text.trim();
      const body = {
        parent_id: leafId,
        messages: content || attachments.length ? [{ role: 'user', content, attachments }] : [],
        model,
        settings: complete(settings),
      };
      const stop = new AbortController();
      const timer = setTimeout(() => void this.ask(id, body, stop.signal), REST_MS);
      return () => {
        clearTimeout(timer);
        stop.abort();
      };
    });
  }

  private async ask(id: string | null, body: unknown, signal: AbortSignal): Promise<void> {
    try {
      this.use = await api.post<ContextUse>(`/chats/${id ?? 'new'}/tokens`, body, { signal });
    } catch {
      // A meter that cannot tell says nothing.
      if (!signal.aborted) this.use = null;
    }
  }
}
