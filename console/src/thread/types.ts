/** What a page gives to a thread, and what a thread asks of the page. */

import type { Snippet } from 'svelte';
import type { Attachment, Message, ToolCall } from '../api/types';

/**
 * - waiting: the user decides whether it may be called
 * - running: the page computes the result
 * - manual: the user writes the result
 * - done: the result is in the branch
 * - denied: the user refused, and the branch says so
 */
export type ToolCallState = 'waiting' | 'running' | 'manual' | 'done' | 'denied';

/** What the reader can do with a message. Where a function is missing there is no button for it. */
export interface ThreadActions {
  /** Shows the branch that this sibling of a message is on. */
  show?: (siblingId: string) => void;
  /** The user's message, written anew: a new branch with a new answer. */
  edit?: (message: Message, content: string, attachments: Attachment[]) => void;
  /** Answers the message's parent again; also how a failed answer is tried again. */
  regenerate?: (message: Message, model?: string) => void;
  /** Goes on with an answer that was cut off, stopped or interrupted. */
  continueAnswer?: (message: Message) => void;
  /** Deletes the message and everything behind it. The page asks first, or offers to undo. */
  remove?: (message: Message) => void;
  /** Opens the page's dialog in which a waiting tool call is looked at and decided. */
  decide?: (message: Message, call: ToolCall) => void;
  deny?: (message: Message, call: ToolCall) => void;
  /** The result that the user wrote for a call. */
  giveResult?: (message: Message, call: ToolCall, result: string) => void;
}

/** What goes on before the first token, as the stream's `status` events say; `reconnecting`: the stream broke. */
export type RunningState = 'loading' | 'queued' | 'prefill' | 'answering' | 'reconnecting';

export interface ThreadProps {
  /** The branch that is shown, from the root to the leaf; tool messages among them. */
  messages: readonly Message[];
  /** The ids of a message and its siblings, oldest first. */
  siblings?: (message: Message) => readonly string[];
  actions?: ThreadActions;
  /** Of the answer that runs now (`status: 'running'`). */
  runningState?: RunningState;
  /** Models that "regenerate with another model" offers. */
  models?: readonly string[];
  /** Left out: a call with a result in the branch is done, one without is waiting. */
  toolState?: (message: Message, call: ToolCall) => ToolCallState;
  /** Scrolls to this message and marks it for a moment (a search hit). */
  target?: string | null;
  /** For narrow columns side by side: less padding, no avatars, a shorter figures line. */
  compact?: boolean;
  /** While the chat is fetched. */
  loading?: boolean;
  /** Shown where there are no messages. */
  empty?: Snippet;
  /** Behind the last message, scrolled with it. */
  footer?: Snippet;
}
