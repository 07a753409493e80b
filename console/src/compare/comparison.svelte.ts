/** One comparison on the page: a chat for each column, what is sent to all of them, and the vote on their answers. */

import { api, sentence } from '../api/client';
import type { Attachment, Comparison, Message, Vote } from '../api/types';
import { Chat } from '../chat/chat.svelte';
import { toasts } from '../state/toasts.svelte';
import { comparisons } from './comparisons.svelte';

const TITLE = 60;

export class Column {
  /** Why the last message did not reach this column, and what it was. */
  failed: { reason: string; text: string; attachments: Attachment[] } | null = $state.raw(null);

  constructor(readonly chat: Chat) {}

  /** The answer that a vote would judge. */
  get answer(): Message | null {
    const leaf = this.chat.leaf;
    return leaf?.role === 'assistant' && !this.chat.busy ? leaf : null;
  }

  async send(text: string, attachments: Attachment[]): Promise<boolean> {
    this.failed = null;
    try {
      await this.chat.send(text, attachments);
      return true;
    } catch (error) {
      this.failed = { reason: sentence(error), text, attachments };
      return false;
    }
  }

  async again(): Promise<void> {
    if (this.failed) await this.send(this.failed.text, this.failed.attachments);
  }
}

export class ComparisonDesk {
  comparison: Comparison = $state.raw() as Comparison;
  readonly columns: readonly Column[];
  /** Whose vote is being kept. */
  voting = $state(false);

  readonly busy = $derived.by(() => this.columns.some(({ chat }) => chat.busy));
  readonly begun = $derived.by(() => this.columns.some(({ chat }) => chat.path.length > 0));
  /** The answers to the last message; null while one of them is still missing. */
  readonly answers: readonly Message[] | null = $derived.by(() => {
    const answers = this.columns.map((column) => column.answer);
    return answers.every((answer) => answer !== null) ? answers : null;
  });
  readonly vote: Vote | null = $derived.by(() => {
    const ids = this.answers?.map((answer) => answer.id).join();
    return comparisons.votes.find((vote) => vote.answer_ids.join() === ids) ?? null;
  });

  private constructor(comparison: Comparison, chats: Chat[]) {
    this.comparison = comparison;
    this.columns = chats.map((chat) => new Column(chat));
  }

  static async open(id: string): Promise<ComparisonDesk> {
    const comparison = await api.get<Comparison>(`/comparisons/${id}`);
    const listener = { onFailure: (error: unknown) => void toasts.error(sentence(error)) };
    const chats = await Promise.all(comparison.entries.map((entry) => Chat.open(entry.chat_id, listener)));
    return new ComparisonDesk(comparison, chats);
  }

  /** To all columns at once; resolves when all have begun to answer, or said why not. */
  async send(text: string, attachments: Attachment[] = []): Promise<void> {
    const first = !this.begun;
    const sent = await Promise.all(this.columns.map((column) => column.send(text, attachments)));
    if (first && !this.comparison.title && sent.some(Boolean)) {
      this.comparison = await comparisons.rename(this.comparison, titleOf(text));
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.columns.map(({ chat }) => chat.stop()));
  }

  async cast(winner: Vote['winner']): Promise<void> {
    const answers = this.answers;
    if (!answers || this.voting) return;
    this.voting = true;
    try {
      await comparisons.cast(this.comparison, this.question(), answers.map(({ id }) => id), winner);
    } finally {
      this.voting = false;
    }
  }

  close(): void {
    for (const { chat } of this.columns) chat.close();
  }

  /** The message that the answers answer. */
  private question(): string {
    const asked = this.columns[0]?.chat.path.findLast((message) => message.role === 'user');
    return (asked?.content ?? '').slice(0, 10_000);
  }
}

function titleOf(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.length > TITLE ? `${line.slice(0, TITLE - 1).trimEnd()}…` : line;
}
