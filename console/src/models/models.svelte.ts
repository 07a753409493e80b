/** The store of models: which there are, how far they are loaded, memory and disk, for every page that shows them. */
import { api, sentence } from '../api/client';
import { told } from '../api/errors';
import type { ModelInfo, ModelList, UpstreamStatus } from '../api/types';
import { session } from '../state/session.svelte';

const MOVING_MS = 700;
const RESTING_MS = 8000;

const MOVES = new Set(['loading', 'unloading', 'restarting']);

class Models {
  list = $state.raw<ModelInfo[]>([]);
  upstreams = $state.raw<UpstreamStatus[]>([]);
  memory = $state.raw<ModelList['memory'] | null>(null);
  disk = $state.raw<ModelList['disk'] | null>(null);
  /** What a chat without a model uses. */
  defaultModel = $state('');
  serverDefault = $state<string | null>(null);
  status = $state<'idle' | 'loading' | 'ready' | 'failed'>('idle');
  /** Why the list could not be had; an older list stays. */
  error = $state<string | null>(null);

  /** Those that a chat can use: here or on another server, made for writing. */
  readonly usable = $derived(
    this.list.filter((model) => model.state !== 'available' && !isForSearch(model)),
  );

  #watchers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked: Promise<void> | null = null;

  find(name: string): ModelInfo | undefined {
    return this.list.find((model) => model.name === name);
  }

  /** Ask again. Never rejects: `status` and `error` tell. */
  refresh(): Promise<void> {
    this.#asked ??= this.#ask().finally(() => (this.#asked = null));
    return this.#asked;
  }

  /** Keep the list fresh for as long as somebody shows it; the result ends that. */
  watch(): () => void {
    if (this.#watchers++ === 0) {
      document.addEventListener('visibilitychange', this.#tick);
      void this.#tick();
    }
    let watching = true;
    return () => {
      if (!watching) return;
      watching = false;
      if (--this.#watchers > 0) return;
      clearTimeout(this.#timer);
      document.removeEventListener('visibilitychange', this.#tick);
    };
  }

  /** Load a model; resolves when it is ready, rejects with the reason why not. */
  async load(name: string, keepAlive?: string): Promise<void> {
    this.#put(await api.post<ModelInfo>('/models/load', { name, keep_alive: keepAlive }));
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, MOVING_MS));
      await this.refresh();
      const model = this.find(name);
      if (this.status === 'failed') continue;
      if (model?.error) throw new Error(told(model.error));
      if (!model || model.state === 'ready' || model.state === 'installed') return;
    }
  }

  async unload(name: string): Promise<void> {
    this.#put({ ...this.#known(name), state: 'unloading' });
    try {
      await api.post('/models/unload', { name });
    } finally {
      await this.refresh();
    }
  }

  /** Delete a model's files from the server. */
  async remove(name: string): Promise<void> {
    await api.delete('/models', { query: { name } });
    await this.refresh();
  }

  /** The user's own default; null goes back to the server's. */
  async setDefault(name: string | null): Promise<void> {
    // Null takes the preference away; undefined would not be sent at all.
    await session.prefer({ default_model: name as string | undefined });
    await this.refresh();
  }

  /** For everybody who has chosen none; administrators only. */
  async setServerDefault(name: string | null): Promise<void> {
    await api.patch('/admin/server', { default_model: name });
    await this.refresh();
  }

  #tick = async (): Promise<void> => {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    await this.refresh();
    if (this.#watchers === 0) return;
    const moving = this.list.some((model) => MOVES.has(model.state));
    this.#timer = setTimeout(() => void this.#tick(), moving ? MOVING_MS : RESTING_MS);
  };

  async #ask(): Promise<void> {
    if (this.status === 'idle') this.status = 'loading';
    try {
      const answer = await api.get<ModelList>('/models');
      this.list = answer.models;
      this.upstreams = answer.upstreams;
      this.memory = answer.memory;
      this.disk = answer.disk;
      this.defaultModel = answer.default_model;
      this.serverDefault = answer.server_default;
      this.status = 'ready';
      this.error = null;
    } catch (error) {
      this.status = 'failed';
      this.error = sentence(error);
    }
  }

  #known(name: string): ModelInfo {
    const model = this.find(name);
    if (!model) throw new Error(name);
    return model;
  }

  #put(model: ModelInfo): void {
    this.list = this.list.map((other) => (other.name === model.name ? model : other));
  }
}

/** Whether a model makes vectors or judges relevance, and writes nothing. */
export function isForSearch(model: ModelInfo): boolean {
  return model.capabilities.includes('embedding') || model.capabilities.includes('rerank');
}

export const models = new Models();
