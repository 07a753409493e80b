/** Where a chat's tool calls wait to be allowed, are run by the page or answered by hand, and go back to the model. */

import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import type { ChatSettings, Message, ToolCall } from '../api/types';
import { runBuiltin, runs } from '../parameters/builtin_tools';
import type { ToolCallState } from '../thread/types';
import { alwaysAllowed } from './allowed_tools.svelte';

/** Read by the model in place of a result. */
export const DENIED = 'The user did not allow this call.';

/** A model may call and call again: after so many rounds that nobody looked at, the user is asked. */
const MOST_SILENT_ROUNDS = 8;

/** What the desk needs of the chat it belongs to. */
export interface Caller {
  readonly settings: Partial<ChatSettings>;
  readonly path: readonly Message[];
  readonly busy: boolean;
  /** Calls of the last answer that have no result yet. */
  readonly pendingCalls: readonly ToolCall[];
  answerCalls(results: { id: string; content: string }[]): Promise<void>;
}

export class ToolDesk {
  /** The call that is looked at in the dialog. */
  shown: ToolCall | null = $state.raw(null);
  private readonly results = new SvelteMap<string, string>();
  private readonly allowedHere = new SvelteSet<string>();
  private silentRounds = 0;

  constructor(
    private readonly chat: Caller,
    private readonly onFailure?: (error: unknown) => void,
  ) {}

  /** Whether the page itself runs the tool; others are answered by hand. */
  canRun(name: string): boolean {
    const tool = this.chat.settings.tools?.find((one) => one.name === name);
    return !!tool && runs(tool);
  }

  state(message: Message, call: ToolCall): ToolCallState {
    const given = this.results.get(call.id) ?? this.kept(message, call);
    if (given !== undefined) return given === DENIED ? 'denied' : 'done';
    return this.canRun(call.name) ? 'waiting' : 'manual';
  }

  open(_message: Message, call: ToolCall): void {
    this.shown = call;
  }

  close(): void {
    this.shown = null;
  }

  allow(call: ToolCall, scope: 'once' | 'chat' | 'always'): void {
    if (scope === 'chat') this.allowedHere.add(call.name);
    if (scope === 'always') alwaysAllowed.add(call.name);
    this.silentRounds = 0;
    this.run(call);
    this.runAllowed();
    this.finish();
  }

  deny(call: ToolCall): void {
    this.give(call, DENIED);
  }

  /** A result by hand. */
  give(call: ToolCall, result: string): void {
    this.silentRounds = 0;
    this.results.set(call.id, result);
    this.finish();
  }

  /** An answer has come to its end: calls that are allowed are run. */
  arrived(): void {
    if (this.chat.pendingCalls.length === 0) {
      if (!this.chat.busy) this.silentRounds = 0;
      return;
    }
    if (this.silentRounds >= MOST_SILENT_ROUNDS) return;
    this.silentRounds++;
    this.runAllowed();
    this.finish();
  }

  private kept(message: Message, call: ToolCall): string | undefined {
    let parent = message.id;
    for (const answer of this.chat.path) {
      if (answer.role !== 'tool' || answer.parent_id !== parent) continue;
      if (answer.tool_call_id === call.id) return answer.content;
      parent = answer.id;
    }
    return undefined;
  }

  private runAllowed(): void {
    for (const call of this.chat.pendingCalls) {
      const allowed = this.allowedHere.has(call.name) || alwaysAllowed.has(call.name);
      if (allowed && this.canRun(call.name) && !this.results.has(call.id)) this.run(call);
    }
  }

  private run(call: ToolCall): void {
    this.results.set(call.id, runBuiltin(call.name, call.arguments));
  }

  /** All results together go back: a model wants each of its calls answered. */
  private finish(): void {
    this.shown = null;
    const calls = this.chat.pendingCalls;
    if (calls.length === 0 || !calls.every((call) => this.results.has(call.id))) return;
    const results = calls.map((call) => ({ id: call.id, content: this.results.get(call.id) as string }));
    this.chat.answerCalls(results).catch((error: unknown) => {
      // They are asked for again: nothing of them has reached the server.
      for (const { id } of results) this.results.delete(id);
      this.silentRounds = MOST_SILENT_ROUNDS;
      this.onFailure?.(error);
    });
  }
}
