/** The search field of the history: what is typed, and what was found for it. */

import { sentence } from '../api/client';
import { byChat, searchChats, type FoundChat } from './search';

const REST_MS = 160;

class ChatSearch {
  query = $state('');
  found = $state.raw<FoundChat[]>([]);
  status = $state<'idle' | 'loading' | 'ready' | 'failed'>('idle');
  error = $state('');
  /** Counts the wishes to type here. */
  wanted = $state(0);

  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked: AbortController | null = null;

  get active(): boolean {
    return this.query.trim() !== '';
  }

  /** The field has changed. */
  typed(query: string): void {
    this.query = query;
    clearTimeout(this.#timer);
    this.#asked?.abort();
    if (!this.active) {
      this.found = [];
      this.status = 'idle';
      return;
    }
    this.status = 'loading';
    this.#timer = setTimeout(() => void this.run(), REST_MS);
  }

  async run(): Promise<void> {
    const asked = (this.#asked = new AbortController());
    this.status = 'loading';
    try {
      const hits = await searchChats(this.query.trim(), asked.signal);
      if (asked.signal.aborted) return;
      this.found = byChat(hits);
      this.status = 'ready';
    } catch (error) {
      if (asked.signal.aborted) return;
      this.error = sentence(error);
      this.status = 'failed';
    }
  }

  clear(): void {
    this.typed('');
  }

  /** A deleted chat is not found any more, a renamed one not under its old name. */
  forget(chatId: string): void {
    this.found = this.found.filter(({ chat }) => chat.id !== chatId);
  }
}

export const search = new ChatSearch();
