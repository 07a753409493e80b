/** The store of downloads that the server makes: they go on when the page is closed. */
import { api, sentence } from '../api/client';
import type { Pull } from '../api/types';
import { toasts } from '../state/toasts.svelte';
import { models } from './models.svelte';
import { t } from './words';

const RUNNING_MS = 500;
const RESTING_MS = 8000;

class Pulls {
  /** The newest first. */
  list = $state.raw<Pull[]>([]);

  #watchers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** The pull of a model that runs now. */
  running(name: string): Pull | undefined {
    return this.list.find((pull) => pull.name === name && pull.state === 'running');
  }

  /** Begin, or go on with what was stopped. Rejects with why not. */
  async begin(name: string): Promise<void> {
    const begun = await api.post<Pull>('/pulls', { name });
    this.list = [begun, ...this.list.filter((pull) => pull.name !== begun.name)];
    this.#schedule();
  }

  /** Stop one that runs, or take one that has ended from the list. */
  async stop(pull: Pull): Promise<void> {
    try {
      await api.delete(`/pulls/${pull.id}`);
    } catch (error) {
      toasts.error(sentence(error));
    }
    await this.#look();
  }

  /** Keep the list fresh for as long as somebody shows it; the result ends that. */
  watch(): () => void {
    if (this.#watchers++ === 0) void this.#look();
    return () => {
      if (--this.#watchers === 0) clearTimeout(this.#timer);
    };
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#watchers === 0) return;
    const runs = this.list.some((pull) => pull.state === 'running');
    this.#timer = setTimeout(() => void this.#look(), runs ? RUNNING_MS : RESTING_MS);
  }

  async #look(): Promise<void> {
    const before = new Map(this.list.map((pull) => [pull.id, pull.state]));
    try {
      this.list = await api.get<Pull[]>('/pulls');
    } catch {
      // The list of models says what is wrong; this one goes on asking.
    }
    const ended = this.list.filter((pull) => pull.state === 'done' && before.get(pull.id) === 'running');
    for (const pull of ended) toasts.show(t('pullNews', { name: pull.name }), { kind: 'success' });
    if (ended.length) await models.refresh();
    this.#schedule();
  }
}

export const pulls = new Pulls();
