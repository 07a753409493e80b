/** What a menu holds. */
import type { IconName } from './icons';

export interface MenuAction {
  label: string;
  icon?: IconName;
  /** In small letters behind the label, or keys. */
  note?: string;
  /** A choice that is made: with a tick. */
  checked?: boolean;
  danger?: boolean;
  disabled?: boolean;
  run: () => void;
}

/** A line between groups. */
export type MenuItem = MenuAction | 'line';

/** Puts a popover beside what it belongs to, inside the window. */
export function place(popover: HTMLElement, anchor: DOMRect, align: 'start' | 'end'): void {
  const gap = 4;
  const { width, height } = popover.getBoundingClientRect();
  const below = anchor.bottom + gap + height <= innerHeight || anchor.top < innerHeight - anchor.bottom;
  const left = align === 'start' ? anchor.left : anchor.right - width;
  popover.style.left = `${Math.round(Math.max(gap, Math.min(left, innerWidth - width - gap)))}px`;
  popover.style.top = `${Math.round(Math.max(gap, below ? Math.min(anchor.bottom + gap, innerHeight - height - gap) : anchor.top - gap - height))}px`;
}
