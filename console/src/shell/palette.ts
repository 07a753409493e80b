/** What the palette offers of chats: the latest ones, or what a search has found. */
import type { ChatSummary, SearchHit } from '../api/types';
import { byChat } from '../history/search';
import type { Command } from './commands.svelte';

export interface ChatChoice {
  kind: 'chat';
  key: string;
  path: string;
  /** With marks around what was found. */
  title: string;
  snippet: string;
}

export type Choice = ChatChoice | (Command & { kind: 'command'; key: string });

/** Without a query the latest chats; with one those whose titles hold it, at once, and then what the server has found. */
export function chatChoices(
  query: string,
  known: readonly ChatSummary[],
  hits: readonly SearchHit[],
  few: number,
  untitled: string,
): ChatChoice[] {
  const choice = (chat: ChatSummary, title: string | null, hit?: SearchHit): ChatChoice => ({
    kind: 'chat',
    key: chat.id,
    path: `/chat/${chat.id}${hit?.message_id ? `?message=${hit.message_id}` : ''}`,
    title: title || chat.title || untitled,
    snippet: hit?.snippet ?? '',
  });
  if (!query) return known.slice(0, few).map((chat) => choice(chat, null));
  const found = byChat(hits).map(({ chat, title, messages }) => choice(chat, title, title ? undefined : messages[0]));
  const listed = new Set(found.map(({ key }) => key));
  const titled = known.filter(({ id, title }) => !listed.has(id) && title.toLowerCase().includes(query.toLowerCase()));
  return [...titled.slice(0, few).map((chat) => choice(chat, null)), ...found].slice(0, 8);
}
