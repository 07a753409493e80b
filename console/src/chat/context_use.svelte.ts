/** What the next prompt takes of the context, asked of the server when one has stopped typing for a moment. */

import { api } from '../api/client';
import type { Attachment, ContextUse } from '../api/types';
import { complete } from '../parameters/settings';
import { connection } from '../state/connection.svelte';
import type { Chat } from './chat.svelte';
import { EMPTY_DRAFT } from './drafts';

const REST_MS = 400;

/** Some four Latin letters make a token, some three Chinese characters two. */
function estimatedTokens(text: string): number {
  const wide = text.match(/[\u2e80-\uffff]/g)?.length ?? 0;
  return Math.round((text.length - wide) / 4 + wide / 1.5);
}

export class ContextMeter {
  private told: ContextUse | null = $state.raw(null);
  private readonly chat: () => Chat;

  /** Called within a component. */
  constructor(chat: () => Chat, draft: () => { text: string; attachments: Attachment[] }) {
    this.chat = chat;
    $effect(() => {
      const { id, model, settings, sending, running, leafId } = chat();
      const { text, attachments } = running ? EMPTY_DRAFT : draft();
      if (sending || !connection.online) return;
      const content = text.trim();
      const body = {
        parent_id: running ? running.parent_id : leafId,
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

  /** Null while it is not known. What an answer adds while it arrives is estimated. */
  get use(): ContextUse | null {
    const [told, running] = [this.told, this.chat().running];
    if (!told || told.prompt_tokens === null || !running) return told;
    return { ...told, prompt_tokens: told.prompt_tokens + estimatedTokens(running.content) };
  }

  private async ask(id: string | null, body: unknown, signal: AbortSignal): Promise<void> {
    try {
      this.told = await api.post<ContextUse>(`/chats/${id ?? 'new'}/tokens`, body, { signal });
    } catch {
      // A meter that cannot tell says nothing.
      if (!signal.aborted) this.told = null;
    }
  }
}
