/** An answer that is arriving: a message whose text grows, once a frame however fast its pieces come. */

import type { AnswerEvent, Message, ToolCall } from '../api/types';
import type { RunningState } from '../thread/types';

/** A hidden page paints no frames, but must not keep text back either. */
const HIDDEN_PAGE_MS = 250;

export class LiveMessage implements Message {
  readonly id: string;
  readonly parent_id: string | null;
  readonly role = 'assistant';
  readonly attachments = [];
  readonly tool_call_id = null;
  readonly status = 'running';
  readonly finish_reason = null;
  readonly error = null;
  readonly figures = null;
  readonly valid = null;
  readonly model: string | null;
  readonly created_at: number;

  content: string = $state('');
  tool_calls: ToolCall[] = $state.raw([]);
  state: RunningState = $state('queued');

  private text: string;
  private calls: ToolCall[];
  private painting = false;

  constructor(message: Message) {
    this.id = message.id;
    this.parent_id = message.parent_id;
    this.model = message.model;
    this.created_at = message.created_at;
    this.text = this.content = message.content;
    this.calls = this.tool_calls = message.tool_calls;
    if (this.text || this.calls.length) this.state = 'answering';
  }

  /** Takes an event in; `done` is the chat's business. */
  take(event: AnswerEvent): void {
    switch (event.type) {
      case 'text':
        this.text += event.text;
        this.arrived();
        break;
      case 'snapshot':
        this.text = event.message.content;
        this.calls = event.message.tool_calls;
        if (this.text || this.calls.length) this.arrived();
        else this.paintSoon();
        break;
      case 'call':
        this.calls = [...this.calls];
        this.calls[event.index] = { id: event.id, name: event.name, arguments: '' };
        this.arrived();
        break;
      case 'arguments': {
        const call = this.calls[event.index];
        if (!call) break;
        this.calls = [...this.calls];
        this.calls[event.index] = { ...call, arguments: call.arguments + event.text };
        this.arrived();
        break;
      }
      case 'status':
        this.state = event.state;
        break;
    }
  }

  /** The stream broke: what came is shown, and goes on as soon as the server is reached. */
  lost(): void {
    this.state = 'reconnecting';
  }

  found(): void {
    if (this.state === 'reconnecting') this.state = this.text || this.calls.length ? 'answering' : 'queued';
  }

  /** As it stands, for good. */
  interrupted(): Message {
    const { id, parent_id, role, attachments, tool_call_id, model, created_at, content, tool_calls } = this;
    const { finish_reason, error, figures, valid } = this;
    return {
      ...{ id, parent_id, role, attachments, tool_call_id, model, created_at, content, tool_calls },
      ...{ finish_reason, error, figures, valid },
      status: 'interrupted',
    };
  }

  private arrived(): void {
    if (this.state !== 'answering') this.state = 'answering';
    this.paintSoon();
  }

  private paintSoon(): void {
    if (this.painting) return;
    this.painting = true;
    const paint = () => {
      this.painting = false;
      this.content = this.text;
      this.tool_calls = this.calls;
    };
    if (document.hidden) setTimeout(paint, HIDDEN_PAGE_MS);
    else requestAnimationFrame(paint);
  }
}
