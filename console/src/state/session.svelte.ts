/** Who is signed in, and what they prefer. */
import { api, onSignedOut } from '../api/client';
import type { Preferences, Session, User } from '../api/types';
import { language } from '../i18n/language.svelte';
import { theme } from './theme.svelte';

class SessionState {
  #session = $state.raw<Session | null>(null);
  #userId: string | null = null;

  /** Null until the server has answered. */
  get current(): Session | null {
    return this.#session;
  }

  get user(): User | null {
    return this.#session?.user ?? null;
  }

  get administrator(): boolean {
    return this.user?.role === 'admin';
  }

  get preferences(): Preferences {
    return this.#session?.preferences ?? {};
  }

  async load(): Promise<void> {
    this.take(await api.get<Session>('/session', { signsOut: false }));
  }

  /** What sign-in and setup answer with. */
  take(session: Session): void {
    const before = this.#userId;
    this.#session = session;
    if (session.user) this.#userId = session.user.id;
    // Nothing of one user is left in the page for another.
    if (before && session.user && before !== session.user.id) location.reload();
    if (!session.user) return;
    if (session.preferences.language) language.choose(session.preferences.language);
    if (session.preferences.theme) theme.choose(session.preferences.theme);
  }

  /** Holds at once; kept on the server if somebody is signed in. Throws where that failed. */
  async prefer(changes: Preferences): Promise<void> {
    if (changes.language) language.choose(changes.language);
    if (changes.theme) theme.choose(changes.theme);
    if (!this.#session) return;
    this.#session = { ...this.#session, preferences: { ...this.#session.preferences, ...changes } };
    if (this.user) await api.patch('/preferences', changes);
  }

  async signOut(): Promise<void> {
    await api.post('/logout');
    // A new page: nothing of what was shown stays in memory.
    history.replaceState(null, '', '#/chat');
    location.reload();
  }

  /** The session is over: the entry page comes. */
  ended(): void {
    if (this.#session) this.#session = { ...this.#session, user: null };
  }
}

export const session = new SessionState();

onSignedOut(() => session.ended());
