/** The chats of the history as far as they have been listed, and the folders that they lie in. */

import { untrack } from 'svelte';
import { SvelteMap, SvelteSet } from 'svelte/reactivity';

import { api, sentence } from '../api/client';
import type { ChatPage, ChatSummary, Folder } from '../api/types';
import { router } from '../state/router.svelte';
import { toasts } from '../state/toasts.svelte';
import { search } from './search.svelte';
import { t } from './words';

const PAGE = 50;

export type ListStatus = 'idle' | 'loading' | 'ready' | 'failed';

/** A list that arrives page by page: the whole history, or one folder. */
class Listing {
  status = $state<ListStatus>('idle');
  error = $state('');
  /** There are more pages. */
  more = $state(true);
  #next: string | null = null;

  constructor(
    private readonly folder: string | null,
    private readonly take: (page: ChatPage) => void,
  ) {}

  async load(): Promise<void> {
    if (this.status === 'loading' || !this.more) return;
    this.status = 'loading';
    try {
      const query = { folder: this.folder, cursor: this.#next, limit: PAGE };
      const page = await api.get<ChatPage>('/chats', { query });
      this.#next = page.next;
      this.more = page.next !== null;
      this.take(page);
      this.status = 'ready';
    } catch (error) {
      this.error = sentence(error);
      this.status = 'failed';
    }
  }
}

type ChatChanges = Partial<Pick<ChatSummary, 'title' | 'pinned' | 'folder_id'>>;

class History {
  #known = new SvelteMap<string, ChatSummary>();
  #folders = $state.raw<Folder[]>([]);
  #listing = $state.raw(this.#newListing(null));
  #folderListings = new SvelteMap<string, Listing>();
  /** Deleted here: an answer that ends later does not bring them back. */
  #gone = new Set<string>();
  #userId: string | null = null;
  /** Folders that are unfolded. */
  readonly unfolded = new SvelteSet<string>();

  readonly chats: readonly ChatSummary[] = $derived(
    [...this.#known.values()].sort((a, b) => b.updated_at - a.updated_at || (a.id < b.id ? 1 : -1)),
  );
  readonly pinned: readonly ChatSummary[] = $derived(this.chats.filter((chat) => chat.pinned));
  /** Those that are neither pinned nor in a folder. */
  readonly loose: readonly ChatSummary[] = $derived(this.chats.filter((chat) => !chat.pinned && !chat.folder_id));

  get folders(): readonly Folder[] {
    return this.#folders;
  }

  get listing(): Listing {
    return this.#listing;
  }

  /** The chat that the page shows. */
  get open(): string | null {
    return router.route.page === 'chat' ? (router.route.rest[0] ?? null) : null;
  }

  get(id: string): ChatSummary | undefined {
    return this.#known.get(id);
  }

  inFolder(id: string): ChatSummary[] {
    return this.chats.filter((chat) => chat.folder_id === id);
  }

  folderListing(id: string): Listing | undefined {
    return this.#folderListings.get(id);
  }

  // -- reading ---------------------------------------------------------------------------------------

  /** Begins to list, once somebody is signed in; another user has another history. */
  begin(userId: string): void {
    if (this.#userId === userId) return;
    untrack(() => {
      this.clear();
      this.#userId = userId;
      void this.load();
    });
  }

  async load(): Promise<void> {
    await Promise.all([this.#listing.load(), this.#loadFolders().catch(() => undefined)]);
  }

  /** From the beginning: chats have been imported. */
  async reload(): Promise<void> {
    this.#listing = this.#newListing(null);
    for (const id of this.#folderListings.keys()) this.#folderListings.set(id, this.#newListing(id));
    await this.load();
    for (const id of this.unfolded) await this.#folderListings.get(id)?.load();
  }

  /** Looks for what other windows and devices have changed among the newest. */
  async refresh(): Promise<void> {
    if (this.#listing.status !== 'ready') return;
    try {
      const [page] = await Promise.all([
        api.get<ChatPage>('/chats', { query: { limit: PAGE } }),
        this.#loadFolders(),
      ]);
      const listed = new Set(page.chats.map((chat) => chat.id));
      const unpinned = page.chats.filter((chat) => !chat.pinned).map((chat) => chat.updated_at);
      const oldest = page.next === null ? -Infinity : Math.min(...unpinned);
      for (const chat of this.chats) {
        if (chat.updated_at > oldest && !chat.pinned && !listed.has(chat.id)) this.#known.delete(chat.id);
      }
      this.#take(page);
    } catch {
      // What is shown stays; the connection's banner says that the server is away.
    }
  }

  unfold(id: string, open = !this.unfolded.has(id)): void {
    if (!open) {
      this.unfolded.delete(id);
      return;
    }
    this.unfolded.add(id);
    if (!this.#folderListings.has(id)) this.#folderListings.set(id, this.#newListing(id));
    const listing = this.#folderListings.get(id);
    if (listing?.status === 'idle') void listing.load();
  }

  clear(): void {
    this.#userId = null;
    this.#known.clear();
    this.#folderListings.clear();
    this.unfolded.clear();
    this.#gone.clear();
    this.#folders = [];
    this.#listing = this.#newListing(null);
    search.clear();
  }

  // -- changes from elsewhere on the page ------------------------------------------------------------

  /** A chat was made, or has changed on the server. */
  upsert(summary: ChatSummary): void {
    if (this.#gone.has(summary.id)) return;
    // An effect that tells of a chat does not follow the list.
    untrack(() => {
      const known = this.#known.has(summary.id);
      this.#known.set(summary.id, summary);
      // Folders count their chats.
      if (!known && summary.folder_id && this.#listing.status !== 'idle') void this.#loadFolders().catch(() => undefined);
    });
  }

  remove(id: string): void {
    this.#known.delete(id);
    search.forget(id);
  }

  focusSearch(): void {
    search.wanted += 1;
  }

  // -- what the user does ----------------------------------------------------------------------------

  rename(chat: ChatSummary, title: string): Promise<boolean> {
    return this.#change(chat, { title });
  }

  pin(chat: ChatSummary, pinned: boolean): Promise<boolean> {
    return this.#change(chat, { pinned });
  }

  async move(chat: ChatSummary, folderId: string | null): Promise<boolean> {
    if (chat.folder_id === folderId) return true;
    const moved = await this.#change(chat, { folder_id: folderId });
    await this.#loadFolders().catch(() => undefined);
    return moved;
  }

  /** Deletes a chat, and offers to take that back. */
  async delete(chat: ChatSummary): Promise<void> {
    const wasOpen = this.open === chat.id;
    this.#gone.add(chat.id);
    this.remove(chat.id);
    if (wasOpen) router.go('/chat');
    try {
      await api.delete(`/chats/${chat.id}`);
      const message = t('deleted', { title: chat.title || t('untitled') });
      toasts.show(message, { action: { label: t('undo'), run: () => void this.#restore(chat, wasOpen) } });
      if (chat.folder_id) await this.#loadFolders();
    } catch (error) {
      this.#gone.delete(chat.id);
      this.upsert(chat);
      toasts.error(sentence(error));
    }
  }

  async createFolder(name: string): Promise<Folder | null> {
    return this.#told(async () => {
      const folder = await api.post<Folder>('/folders', { name });
      await this.#loadFolders();
      return folder;
    });
  }

  async renameFolder(folder: Folder, name: string): Promise<void> {
    await this.#told(async () => {
      await api.patch(`/folders/${folder.id}`, { name });
      await this.#loadFolders();
    });
  }

  /** Its chats stay, without a folder. */
  async deleteFolder(folder: Folder): Promise<void> {
    await this.#told(async () => {
      await api.delete(`/folders/${folder.id}`);
      for (const chat of this.inFolder(folder.id)) this.#known.set(chat.id, { ...chat, folder_id: null });
      this.unfolded.delete(folder.id);
      this.#folderListings.delete(folder.id);
      await this.#loadFolders();
    });
  }

  // -- within ----------------------------------------------------------------------------------------

  #newListing(folder: string | null): Listing {
    return new Listing(folder, (page) => this.#take(page));
  }

  #take(page: ChatPage): void {
    for (const chat of page.chats) {
      if (!this.#gone.has(chat.id)) this.#known.set(chat.id, chat);
    }
  }

  async #loadFolders(): Promise<void> {
    this.#folders = await api.get<Folder[]>('/folders');
  }

  /** Shown at once, and taken back where the server refuses. */
  async #change(chat: ChatSummary, changes: ChatChanges): Promise<boolean> {
    const before = this.#known.get(chat.id) ?? chat;
    const titled = changes.title === undefined ? before.titled : changes.title !== '';
    this.#known.set(chat.id, { ...before, ...changes, titled });
    try {
      this.upsert(await api.patch<ChatSummary>(`/chats/${chat.id}`, changes));
      return true;
    } catch (error) {
      this.#known.set(chat.id, before);
      toasts.error(sentence(error));
      return false;
    }
  }

  async #restore(chat: ChatSummary, reopen: boolean): Promise<void> {
    await this.#told(async () => {
      const summary = await api.post<ChatSummary>(`/chats/${chat.id}/restore`);
      this.#gone.delete(chat.id);
      this.upsert(summary);
      if (summary.folder_id) await this.#loadFolders();
      if (reopen && router.route.page === 'chat' && this.open === null) router.go(`/chat/${chat.id}`);
    });
  }

  async #told<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      toasts.error(sentence(error));
      return null;
    }
  }
}

export const history = new History();
