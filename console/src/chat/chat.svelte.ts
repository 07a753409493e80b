/** One chat as the page knows it: its tree of messages, the branch that is shown, and the answers that arrive. */

import { api } from '../api/client';
import type {
  AnswerRequest,
  AnswerStarted,
  Attachment,
  Chat as StoredChat,
  ChatSettings,
  ChatSummary,
  Message,
  NewMessage,
  ToolCall,
} from '../api/types';
import { changed, complete } from '../parameters/settings';
import type { RunningState, ThreadActions, ToolCallState } from '../thread/types';
import { Followers } from './followers';
import { LiveMessage } from './live_message.svelte';
import { listed, PendingChanges, type ChatChanges } from './pending_changes';
import { RequestIds } from './request_ids';
import { ToolDesk } from './tool_desk.svelte';
import { MessageTree } from './tree';

export interface NewChat {
  model?: string | null;
  settings?: Partial<ChatSettings>;
  folder_id?: string | null;
}

export interface ChatListener {
  /** The chat was made, or changed on the server. */
  onSummary?: (summary: ChatSummary) => void;
  /** Something that the user began by a button of the thread was refused. */
  onFailure?: (error: unknown) => void;
}

export class Chat {
  /** Null until the first message is sent. */
  id: string | null = $state(null);
  summary: ChatSummary | null = $state.raw(null);
  model: string | null = $state(null);
  settings: Partial<ChatSettings> = $state.raw({});
  messages: readonly Message[] = $state.raw([]);
  leafId: string | null = $state(null);
  /** A message is on its way to the server. */
  sending = $state(false);

  readonly tree = $derived(new MessageTree(this.messages));
  readonly path: readonly Message[] = $derived(this.tree.path(this.leafId));
  readonly leaf: Message | null = $derived(this.path.at(-1) ?? null);
  readonly running: LiveMessage | null = $derived(this.leaf instanceof LiveMessage ? this.leaf : null);
  readonly busy: boolean = $derived(this.sending || this.running !== null);
  readonly runningState: RunningState | undefined = $derived(this.running?.state);
  readonly title: string = $derived(this.summary?.title ?? '');
  /** Calls at the end of the branch that no result answers yet. */
  readonly pendingCalls: readonly ToolCall[] = $derived(
    this.leaf?.role === 'assistant' && this.leaf.finish_reason === 'tool_calls' ? this.leaf.tool_calls : [],
  );

  readonly desk: ToolDesk;
  private readonly listener: ChatListener;
  private readonly begin: NewChat;
  private readonly followers = new Followers();
  /** Answers that the server no longer runs, whatever it has kept about them. */
  private readonly gone = new Set<string>();
  private readonly requestIds = new RequestIds();
  private readonly pending = new PendingChanges((changes) => this.told(this.tell(changes)));

  constructor(begin: NewChat = {}, listener: ChatListener = {}) {
    this.begin = begin;
    this.listener = listener;
    this.desk = new ToolDesk(this, listener.onFailure);
    this.model = begin.model ?? null;
    this.settings = begin.settings ?? {};
  }

  /** `message`: one that the shown branch must hold. Answers that run are followed at once. */
  static async open(id: string, listener: ChatListener = {}, message?: string | null): Promise<Chat> {
    // Made behind the wait: what an effect makes itself would die with it.
    const stored = await api.get<StoredChat>(`/chats/${id}`);
    const chat = new Chat({}, listener);
    chat.take(stored);
    if (message && chat.tree.get(message)) chat.leafId = chat.tree.leafBelow(message);
    return chat;
  }

  // -- what is shown ---------------------------------------------------------------------------------

  readonly siblings = (message: Message): readonly string[] => this.tree.siblings(message.id);

  readonly toolState = (message: Message, call: ToolCall): ToolCallState => this.desk.state(message, call);

  readonly show = (id: string): void => {
    this.leafId = this.tree.leafBelow(id);
    if (this.id) void api.patch(`/chats/${this.id}`, { leaf_id: this.leafId }).catch(() => undefined);
  };

  /** What a thread of this chat can do. */
  readonly actions: ThreadActions = {
    show: this.show,
    edit: (message, content, attachments) => this.told(this.edit(message.id, content, attachments)),
    regenerate: (message, model) => this.told(this.regenerate(message.id, model)),
    continueAnswer: (message) => this.told(this.resume(message.id)),
    remove: (message) => this.told(this.remove(message.id)),
    decide: (message, call) => this.desk.open(message, call),
    deny: (_message, call) => this.desk.deny(call),
    giveResult: (_message, call, result) => this.desk.give(call, result),
  };

  // -- asking ----------------------------------------------------------------------------------------

  /** Resolves when the answer has begun; see `settled`. */
  async send(text: string, attachments: Attachment[] = []): Promise<void> {
    await this.ask({ parent_id: this.leafId, messages: [{ role: 'user', content: text, attachments }] });
  }

  /** A sibling of the user's message, and its answer. */
  async edit(id: string, text: string, attachments: Attachment[] = []): Promise<void> {
    await this.stop();
    const parent_id = this.tree.get(id)?.parent_id ?? null;
    await this.ask({ parent_id, messages: [{ role: 'user', content: text, attachments }] });
  }

  /** Another answer to what this answer answers, or an answer to a user's message. */
  async regenerate(id: string, model?: string): Promise<void> {
    const message = this.tree.get(id);
    if (!message) return;
    await this.stop();
    await this.ask({ parent_id: message.role === 'assistant' ? message.parent_id : message.id, model });
  }

  /** Goes on with an answer that was cut off. */
  async resume(id: string): Promise<void> {
    const message = this.tree.get(id);
    if (message) await this.ask({ parent_id: message.parent_id, continue_id: id });
  }

  /** The results of the calls at the end of the branch, which the model then reads. */
  async answerCalls(results: { id: string; content: string }[]): Promise<void> {
    const messages = results.map<NewMessage>(({ id, content }) => ({ role: 'tool', tool_call_id: id, content }));
    await this.ask({ parent_id: this.leafId, messages });
  }

  /** Ends the running answer of the shown branch; its text stays. */
  async stop(): Promise<void> {
    const running = this.running;
    if (!running || !this.id) return;
    await api.post(`/chats/${this.id}/answers/${running.id}/stop`);
    await this.followers.end(running.id);
  }

  /** Resolves when no answer of this chat is running any more. */
  async settled(): Promise<void> {
    await this.followers.settled();
  }

  async remove(id: string): Promise<void> {
    const message = this.tree.get(id);
    if (!message || !this.id) return;
    const gone = this.tree.withDescendants(id);
    if (this.running && gone.has(this.running.id)) await this.stop();
    await api.delete(`/chats/${this.id}/messages/${id}`);
    const siblings = this.tree.siblings(id);
    const place = siblings.indexOf(id);
    const beside = siblings[place - 1] ?? siblings[place + 1];
    const wasShown = this.leafId !== null && gone.has(this.leafId);
    this.messages = this.messages.filter((other) => !gone.has(other.id));
    if (wasShown) {
      if (beside) this.show(beside);
      else this.leafId = message.parent_id;
    }
  }

  /** Changes take effect at once here, and on the server when they rest. */
  configure(changes: ChatChanges): void {
    if (changes.model !== undefined) this.model = changes.model;
    if (changes.settings !== undefined) this.settings = changes.settings;
    if (this.summary) this.summary = { ...this.summary, ...listed(changes) };
    if (this.id) this.pending.add(changes);
  }

  /** Reads the chat anew: after a time without the server. */
  async refresh(): Promise<void> {
    if (this.id) this.take(await api.get<StoredChat>(`/chats/${this.id}`));
  }

  /** Stops listening. What runs goes on for a while, in case the page comes back. */
  close(): void {
    this.pending.flush();
    this.followers.close();
  }

  // -- within ----------------------------------------------------------------------------------------

  private take(stored: StoredChat): void {
    const { settings, leaf_id, messages, ...summary } = stored;
    this.id = stored.id;
    this.summary = summary;
    this.model = stored.model;
    this.settings = changed(settings, {});
    const live = new Map(this.messages.filter((one) => one instanceof LiveMessage).map((one) => [one.id, one]));
    this.messages = messages.map((message) => {
      if (message.status !== 'running') return message;
      if (this.gone.has(message.id)) return { ...message, status: 'interrupted' };
      return live.get(message.id) ?? new LiveMessage(message);
    });
    this.leafId = leaf_id !== null && this.tree.get(leaf_id) ? this.tree.leafBelow(leaf_id) : this.tree.newestLeaf();
    this.followRunning();
    this.desk.arrived();
  }

  private async ask(request: AnswerRequest): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    try {
      const id = this.id ?? (await this.make());
      const { messages, chat } = await api.post<AnswerStarted>(`/chats/${id}/answers`, {
        ...request,
        model: request.model ?? this.model,
        settings: complete(this.settings),
        request_id: this.requestIds.of(request),
      });
      this.requestIds.answered();
      this.place(messages);
      if (chat) this.summarize(chat);
      this.followRunning();
    } finally {
      this.sending = false;
    }
  }

  private async make(): Promise<string> {
    const stored = await api.post<StoredChat>('/chats', {
      model: this.model,
      settings: complete(this.settings),
      folder_id: this.begin.folder_id ?? null,
    });
    const { settings: _settings, leaf_id: _leaf, messages: _messages, ...summary } = stored;
    this.id = stored.id;
    this.summarize(summary);
    return stored.id;
  }

  /** New messages, or newer versions of known ones; the last one ends the branch that is shown. */
  private place(messages: Message[]): void {
    const placed = messages.map((message) => (message.status === 'running' ? new LiveMessage(message) : message));
    const known = new Set(this.messages.map((message) => message.id));
    const newer = new Map(placed.map((message) => [message.id, message]));
    this.messages = [
      ...this.messages.map((message) => newer.get(message.id) ?? message),
      ...placed.filter((message) => !known.has(message.id)),
    ];
    this.leafId = placed.at(-1)?.id ?? this.leafId;
  }

  private followRunning(): void {
    for (const message of this.messages) {
      if (message instanceof LiveMessage) this.follow(message);
    }
  }

  private follow(message: LiveMessage): void {
    this.followers.follow(`/chats/${this.id}/answers/${message.id}`, message, {
      done: (event) => {
        this.settle(message, event.message);
        this.summarize(event.chat);
      },
      gone: async () => {
        this.gone.add(message.id);
        // The chat tells how it ended.
        await this.refresh();
      },
      failed: (error) => {
        this.settle(message, message.interrupted());
        this.listener.onFailure?.(error);
      },
      ended: () => this.desk.arrived(),
    });
  }

  private settle(live: LiveMessage, message: Message): void {
    this.messages = this.messages.map((other) => (other === live ? message : other));
  }

  private async tell(changes: ChatChanges): Promise<void> {
    this.summarize(await api.patch<ChatSummary>(`/chats/${this.id}`, changes));
  }

  private summarize(summary: ChatSummary): void {
    this.summary = summary;
    this.model ??= summary.model;
    this.listener.onSummary?.(summary);
  }

  private told(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.listener.onFailure?.(error));
  }
}
