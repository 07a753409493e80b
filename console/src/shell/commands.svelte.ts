/** What the palette can do: the frame's own commands, and those of the page that is shown. */
import { untrack } from 'svelte';

import type { IconName } from '../design/icons';
import { language } from '../i18n/language.svelte';
import { router } from '../state/router.svelte';
import { session } from '../state/session.svelte';
import { sentence } from '../api/client';
import type { Preferences } from '../api/types';
import { toasts } from '../state/toasts.svelte';
import { layout } from './layout.svelte';
import { t } from './words';

export interface Command {
  label: string;
  icon: IconName;
  /** More words that find it. */
  words?: string;
  /** As `Kbd` takes them. */
  keys?: string;
  run: () => void;
}

class Commands {
  #added = $state.raw<(() => Command[])[]>([]);

  /** Adds commands of a page until the returned function is called: `$effect(() => commands.add(() => […]))`. */
  add(make: () => Command[]): () => void {
    // An effect that adds must not run again because something was added.
    untrack(() => (this.#added = [...this.#added, make]));
    return () => untrack(() => (this.#added = this.#added.filter((one) => one !== make)));
  }

  get all(): Command[] {
    return [...this.#added.flatMap((make) => make()), ...own()];
  }
}

export const commands = new Commands();

function own(): Command[] {
  const go = (path: string) => () => router.go(path);
  const all: Command[] = [
    { label: t('newChat'), icon: 'plus', words: 'new chat 新对话', keys: 'mod+shift+O', run: go('/chat') },
    { label: t('compare'), icon: 'compare', words: 'compare 对比', run: go('/compare') },
    { label: t('models'), icon: 'cube', words: 'models pull 模型 下载', run: go('/models') },
    { label: t('settings'), icon: 'settings', words: 'settings preferences 设置', run: go('/settings/general') },
    { label: t('apiKeys'), icon: 'key', words: 'api keys 密钥', run: go('/settings/keys') },
    { label: t('usage'), icon: 'chart', words: 'usage tokens 用量', run: go('/settings/usage') },
  ];
  if (session.administrator) {
    all.push({ label: t('administration'), icon: 'shield', words: 'admin users audit 管理 用户', run: go('/admin/users') });
  }
  all.push(
    { label: t('themeTo', { theme: t('light') }), icon: 'sun', words: 'theme light 主题 浅色', run: () => prefer({ theme: 'light' }) },
    { label: t('themeTo', { theme: t('dark') }), icon: 'moon', words: 'theme dark 主题 深色', run: () => prefer({ theme: 'dark' }) },
    { label: t('themeTo', { theme: t('system') }), icon: 'monitor', words: 'theme system 主题', run: () => prefer({ theme: 'system' }) },
    language.current === 'en'
      ? { label: '切换到中文', icon: 'globe', words: 'language chinese 语言 中文', run: () => prefer({ language: 'zh' }) }
      : { label: 'Switch to English', icon: 'globe', words: 'language english 语言 英文', run: () => prefer({ language: 'en' }) },
    { label: t('shortcuts'), icon: 'keyboard', words: 'keyboard shortcuts help 快捷键', keys: '?', run: () => (layout.shortcuts = true) },
  );
  if (session.user && !session.user.local) {
    all.push({ label: t('signOut'), icon: 'logout', words: 'sign out logout 退出', run: () => void signOut() });
  }
  return all;
}

/** Keeps a preference, and says so where that failed. */
export function prefer(changes: Preferences): void {
  session.prefer(changes).catch((error: unknown) => toasts.error(sentence(error)));
}

export async function signOut(): Promise<void> {
  try {
    await session.signOut();
  } catch (error) {
    toasts.error(sentence(error));
  }
}

/** Those that hold every word of the query. */
export function matching(all: readonly Command[], query: string): Command[] {
  const parts = query.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter(({ label, words = '' }) => {
    const text = `${label} ${words}`.toLowerCase();
    return parts.every((part) => text.includes(part));
  });
}
