/** Keys of the entries that the arrow keys visit: a pinned chat in a folder is listed twice. */

import type { ChatSummary } from '../api/types';

export function entryInFolder(chat: ChatSummary): string {
  return chat.pinned ? `folder-${chat.id}` : chat.id;
}
