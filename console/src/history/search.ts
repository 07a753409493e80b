/** Search over titles and messages. */

import { api } from '../api/client';
import type { ChatSummary, SearchHit } from '../api/types';

export function searchChats(query: string, signal?: AbortSignal, limit = 30): Promise<SearchHit[]> {
  return api.get<SearchHit[]>('/search', { query: { q: query, limit }, signal });
}

/** What was found in one chat: in its title (null where not), and in messages. */
export interface FoundChat {
  chat: ChatSummary;
  title: string | null;
  messages: SearchHit[];
}

/** Hits by chat, in the order of each chat's best one. */
export function byChat(hits: readonly SearchHit[]): FoundChat[] {
  const found = new Map<string, FoundChat>();
  for (const hit of hits) {
    const entry = found.get(hit.chat.id) ?? { chat: hit.chat, title: null, messages: [] };
    found.set(hit.chat.id, entry);
    if (hit.message_id === null) entry.title = hit.snippet;
    else entry.messages.push(hit);
  }
  return [...found.values()];
}
