/** The keys that work everywhere. */
import { router } from '../state/router.svelte';
import { layout } from './layout.svelte';

function writing(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return Boolean(target?.closest('input, textarea, select, [contenteditable]'));
}

function onkeydown(event: KeyboardEvent): void {
  if (event.isComposing || event.defaultPrevented) return;
  const mod = (event.ctrlKey || event.metaKey) && !event.altKey;
  const key = event.key.toLowerCase();
  if (mod && !event.shiftKey && key === 'k') layout.palette = !layout.palette;
  else if (document.querySelector('dialog[open]')) return;
  else if (mod && event.shiftKey && key === 'o') router.go('/chat');
  else if (mod && !event.shiftKey && key === 'b') layout.toggleSidebar();
  else if (!mod && !event.altKey && event.key === '?' && !writing(event)) layout.shortcuts = true;
  else return;
  event.preventDefault();
}

/** Listens until the returned function is called. */
export function listen(): () => void {
  addEventListener('keydown', onkeydown);
  return () => removeEventListener('keydown', onkeydown);
}
