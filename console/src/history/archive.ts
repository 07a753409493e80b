/** Looks at a file that is to be imported before it is sent: what plainly is no archive is told at once. */

import type { ChatArchive } from '../api/types';
import { t } from './words';

export interface ReadArchive {
  name: string;
  archive: ChatArchive;
  chats: number;
}

/** Throws an error with a sentence to show. */
export async function readArchive(file: File): Promise<ReadArchive> {
  let text: string;
  try {
    text = await file.text();
  } catch {
    throw new Error(t('unreadable', { name: file.name }));
  }
  return parseArchive(text, file.name);
}

export function parseArchive(text: string, name: string): ReadArchive {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(t('notJson', { name }));
  }
  if (!isObject(value) || value.format !== 'sevenb-chats' || !Array.isArray(value.chats)) {
    throw new Error(t('notArchive', { name }));
  }
  const version = value.version;
  if (typeof version === 'number' && version > 1) throw new Error(t('newerArchive', { name, version }));
  if (value.chats.length === 0) throw new Error(t('emptyArchive', { name }));
  // The server looks at every part of it.
  return { name, archive: value as unknown as ChatArchive, chats: value.chats.length };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
