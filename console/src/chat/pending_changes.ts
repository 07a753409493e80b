/** Changes of a chat on their way to the server. */

import type { ChatSettings, ChatSummary } from '../api/types';
import { complete } from '../parameters/settings';

export interface ChatChanges {
  model?: string | null;
  settings?: Partial<ChatSettings>;
  title?: string;
  folder_id?: string | null;
  pinned?: boolean;
}

/** Sliders move often: the server is told when they rest. */
const REST_MS = 400;

export class PendingChanges {
  private waiting: { timer: ReturnType<typeof setTimeout>; changes: ChatChanges } | null = null;

  constructor(private readonly tell: (changes: ChatChanges) => void) {}

  add(changes: ChatChanges): void {
    if (this.waiting) clearTimeout(this.waiting.timer);
    this.waiting = {
      timer: setTimeout(() => this.flush(), REST_MS),
      changes: { ...this.waiting?.changes, ...changes },
    };
  }

  /** Tells now what still waits. */
  flush(): void {
    const waiting = this.waiting;
    if (!waiting) return;
    clearTimeout(waiting.timer);
    this.waiting = null;
    const { changes } = waiting;
    // What was set back to its default is named too.
    this.tell({ ...changes, ...(changes.settings && { settings: complete(changes.settings) }) });
  }
}

/** What of the changes a list of chats shows. */
export function listed({ title, folder_id, pinned }: ChatChanges): Partial<ChatSummary> {
  return {
    ...(title !== undefined && { title }),
    ...(folder_id !== undefined && { folder_id }),
    ...(pinned !== undefined && { pinned }),
  };
}
