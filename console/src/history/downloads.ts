/** Chats as files on the reader's disk. */

import { request, sentence } from '../api/client';
import type { ChatSummary } from '../api/types';
import { toasts } from '../state/toasts.svelte';
import { t } from './words';

export type Format = 'markdown' | 'json';

export async function downloadChat(chat: ChatSummary, format: Format): Promise<void> {
  const extension = format === 'markdown' ? 'md' : 'json';
  await download(`/chats/${chat.id}/export`, { format }, `${fileName(chat.title || t('untitled'))}.${extension}`);
}

export async function downloadAll(): Promise<void> {
  const now = new Date();
  const day = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, '0'));
  await download('/export', {}, `sevenb-chats-${day.join('-')}.json`);
}

/** A title as every file system takes it. */
export function fileName(title: string): string {
  // eslint-disable-next-line no-control-regex
  const plain = title.replace(/[\u0000-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069<>:"/\\|?*]/g, ' ');
  const name = [...plain.replace(/\s+/g, ' ').trim()].slice(0, 80).join('').replace(/^[. ]+|[. ]+$/g, '');
  return name || 'chat';
}

/** Fetched rather than linked to: a failure is told here, and not kept as a file. */
async function download(path: string, query: Record<string, string>, name: string): Promise<void> {
  try {
    const response = await request('GET', path, { query });
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await response.blob());
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    toasts.error(sentence(error));
  }
}
