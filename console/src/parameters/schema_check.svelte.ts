/** Asks the server, while one types, whether answers can be held to a schema. */

import { api, sentence } from '../api/client';
import type { SchemaVerdict } from '../api/types';
import { findMistake } from './json_scan';

export type SchemaState =
  | { kind: 'empty' }
  /** Not JSON: the editor says where. */
  | { kind: 'broken' }
  | { kind: 'not_object' }
  | { kind: 'checking' }
  | { kind: 'told'; verdict: SchemaVerdict }
  /** The server could not be asked. */
  | { kind: 'unknown'; reason: string };

const REST_MS = 350;

export class SchemaCheck {
  state: SchemaState = $state.raw({ kind: 'empty' });
  /** What the text says, as far as it can be used. */
  schema: Record<string, unknown> | null = $state.raw(null);

  /** Follows a text: called within a component. */
  constructor(text: () => string) {
    $effect(() => {
      const now = text();
      this.schema = null;
      if (!now.trim()) {
        this.state = { kind: 'empty' };
        return;
      }
      if (findMistake(now)) {
        this.state = { kind: 'broken' };
        return;
      }
      const value = JSON.parse(now) as unknown;
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        this.state = { kind: 'not_object' };
        return;
      }
      this.schema = value as Record<string, unknown>;
      this.state = { kind: 'checking' };
      const stop = new AbortController();
      const timer = setTimeout(() => void this.ask(value, stop.signal), REST_MS);
      return () => {
        clearTimeout(timer);
        stop.abort();
      };
    });
  }

  private async ask(schema: object, signal: AbortSignal): Promise<void> {
    try {
      const verdict = await api.post<SchemaVerdict>('/schema', { schema }, { signal });
      if (!signal.aborted) this.state = { kind: 'told', verdict };
    } catch (error) {
      if (!signal.aborted) this.state = { kind: 'unknown', reason: sentence(error) };
    }
  }
}
