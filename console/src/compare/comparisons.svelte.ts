/** The comparisons that there were, and all votes. */

import { api, sentence } from '../api/client';
import type { Attachment, Comparison, Vote, VoteTable } from '../api/types';
import type { Draft } from './entries';
import { labels } from './entries';

/** A message that was written before its comparison existed. */
export interface Opening {
  id: string;
  text: string;
  attachments: Attachment[];
}

class Comparisons {
  list = $state.raw<Comparison[]>([]);
  votes = $state.raw<Vote[]>([]);
  standings = $state.raw<VoteTable['standings']>([]);
  status = $state<'idle' | 'loading' | 'ready' | 'failed'>('idle');
  error = $state('');

  #opening: Opening | null = null;

  async load(): Promise<void> {
    if (this.status === 'idle') this.status = 'loading';
    try {
      const [list] = await Promise.all([api.get<Comparison[]>('/comparisons'), this.loadVotes()]);
      this.list = list;
      this.status = 'ready';
    } catch (error) {
      this.error = sentence(error);
      this.status = 'failed';
    }
  }

  async loadVotes(): Promise<void> {
    const table = await api.get<VoteTable>('/votes');
    this.votes = table.votes;
    this.standings = table.standings;
  }

  async create(drafts: readonly Draft[]): Promise<Comparison> {
    const names = labels(drafts);
    const entries = drafts.map(({ model, settings }, index) => ({ label: names[index], model, settings }));
    const made = await api.post<Comparison>('/comparisons', { entries });
    this.list = [made, ...this.list];
    return made;
  }

  async rename(comparison: Comparison, title: string): Promise<Comparison> {
    const renamed = await api.patch<Comparison>(`/comparisons/${comparison.id}`, { title });
    this.list = this.list.map((other) => (other.id === renamed.id ? renamed : other));
    return renamed;
  }

  async delete(comparison: Comparison): Promise<void> {
    await api.delete(`/comparisons/${comparison.id}`);
    this.list = this.list.filter(({ id }) => id !== comparison.id);
  }

  async cast(comparison: Comparison, message: string, answerIds: string[], winner: Vote['winner']): Promise<void> {
    const vote = { message, answer_ids: answerIds, winner };
    await api.post<Vote>(`/comparisons/${comparison.id}/votes`, vote);
    await this.loadVotes();
  }

  /** What the page of a new comparison sends first. */
  begin(opening: Opening): void {
    this.#opening = opening;
  }

  takeOpening(id: string): Opening | null {
    const opening = this.#opening?.id === id ? this.#opening : null;
    this.#opening = null;
    return opening;
  }
}

export const comparisons = new Comparisons();
