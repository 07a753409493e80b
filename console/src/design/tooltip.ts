/** A tooltip for what has a name in `aria-label` already: `{@attach tooltip(() => ({ text, keys }))}`. One element for all. */
import type { Attachment } from 'svelte/attachments';

export interface Tip {
  text: string;
  keys?: string;
}

const DELAY = 450;

let bubble: HTMLElement | null = null;
let owner: Element | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;

function show(target: Element, tip: Tip): void {
  if (!tip.text || !target.isConnected) return;
  hide();
  owner = target;
  bubble = document.createElement('div');
  bubble.className = 'tooltip';
  bubble.popover = 'manual';
  bubble.ariaHidden = 'true';
  bubble.append(tip.text);
  if (tip.keys) {
    const keys = document.createElement('kbd');
    keys.textContent = tip.keys;
    bubble.append(keys);
  }
  document.body.append(bubble);
  bubble.showPopover?.();
  const at = target.getBoundingClientRect();
  const own = bubble.getBoundingClientRect();
  const below = at.bottom + own.height + 10 < innerHeight;
  const left = Math.min(Math.max(6, at.left + at.width / 2 - own.width / 2), innerWidth - own.width - 6);
  bubble.style.left = `${Math.round(left)}px`;
  bubble.style.top = `${Math.round(below ? at.bottom + 6 : at.top - own.height - 6)}px`;
}

export function hide(): void {
  clearTimeout(timer);
  bubble?.remove();
  bubble = owner = null;
}

export function tooltip(tip: () => Tip): Attachment {
  return (target) => {
    const later = (event: Event) => {
      if ((event as PointerEvent).pointerType === 'touch') return;
      clearTimeout(timer);
      timer = setTimeout(() => show(target, tip()), owner ? 0 : DELAY);
    };
    const focused = () => {
      if (target.matches(':focus-visible')) show(target, tip());
    };
    const events: [string, (event: Event) => void][] = [
      ['pointerenter', later],
      ['pointerleave', hide],
      ['pointerdown', hide],
      ['click', hide],
      ['focus', focused],
      ['blur', hide],
    ];
    for (const [name, listener] of events) target.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of events) target.removeEventListener(name, listener);
      if (owner === target) hide();
    };
  };
}
