/** The running answers of a chat that the page listens to. */

import type { AnswerEvent } from '../api/types';
import { followAnswer } from './answer_stream';
import type { LiveMessage } from './live_message.svelte';

export interface AnswerEnds {
  done: (event: Extract<AnswerEvent, { type: 'done' }>) => void;
  /** Nothing runs there any more, and its end was missed. */
  gone: () => Promise<void>;
  failed: (error: unknown) => void;
  /** However it ended. */
  ended: () => void;
}

export class Followers {
  private readonly lines = new Map<string, { stop: AbortController; ended: Promise<void> }>();

  /** Fills the message with what comes at `path`, unless that is going on. */
  follow(path: string, message: LiveMessage, ends: AnswerEnds): void {
    if (this.lines.has(message.id)) return;
    const stop = new AbortController();
    const ended = followAnswer(path, stop.signal, {
      event: (event) => (event.type === 'done' ? ends.done(event) : message.take(event)),
      lost: () => message.lost(),
      found: () => message.found(),
    })
      .then((ending) => {
        this.lines.delete(message.id);
        return ending === 'gone' ? ends.gone() : undefined;
      })
      .catch((error: unknown) => {
        this.lines.delete(message.id);
        ends.failed(error);
      })
      .finally(ends.ended);
    this.lines.set(message.id, { stop, ended });
  }

  /** Resolves when nobody listens to this answer any more. */
  async end(id: string): Promise<void> {
    await this.lines.get(id)?.ended;
  }

  /** Resolves when nobody listens to any. */
  async settled(): Promise<void> {
    while (this.lines.size) await Promise.all([...this.lines.values()].map(({ ended }) => ended));
  }

  close(): void {
    for (const { stop } of this.lines.values()) stop.abort();
  }
}
