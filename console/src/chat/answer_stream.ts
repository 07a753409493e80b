/** Follows an answer until its end, through broken lines and late joining. */

import { ApiFailure } from '../api/client';
import { readEvents } from '../api/sse';
import type { AnswerEvent } from '../api/types';

export interface AnswerListener {
  event: (event: AnswerEvent) => void;
  /** The line broke, and is taken up again by itself. */
  lost: () => void;
  found: () => void;
}

/** `gone`: the server knows of no such running answer, it has ended; `left`: the signal stopped the listening. */
export type Ending = 'done' | 'gone' | 'left';

export async function followAnswer(path: string, signal: AbortSignal, listener: AnswerListener): Promise<Ending> {
  try {
    await readEvents(`${path}/events`, {
      signal,
      onEvent: ({ data }) => {
        const event = JSON.parse(data) as AnswerEvent;
        listener.event(event);
        return event.type === 'done';
      },
      onBroken: (broken) => (broken ? listener.lost() : listener.found()),
    });
    return 'done';
  } catch (error) {
    if (signal.aborted) return 'left';
    if (error instanceof ApiFailure && [404, 409, 410].includes(error.status)) return 'gone';
    throw error;
  }
}
