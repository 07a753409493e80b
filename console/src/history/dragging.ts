/** Chats that are dragged onto folders. */

import type { ChatSummary } from '../api/types';
import { history } from './history.svelte';

const KIND = 'application/x-sevenb-chat';

export function drag(event: DragEvent, chat: ChatSummary): void {
  event.dataTransfer?.setData(KIND, chat.id);
  if (event.dataTransfer) event.dataTransfer.effectAllowed = 'move';
}

export function holdsChat(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes(KIND) ?? false;
}

/** The chat that was dropped; nothing else happens to what it lands on. */
export function draggedChat(event: DragEvent): ChatSummary | undefined {
  if (!holdsChat(event)) return undefined;
  event.preventDefault();
  event.stopPropagation();
  return history.get(event.dataTransfer?.getData(KIND) ?? '');
}
