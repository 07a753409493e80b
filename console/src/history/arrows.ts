/** Arrow keys over a list whose entries (`data-stop`) share one tab stop. */

/** Moves the focus for Up, Down, Home and End; returns whether the key was one of them. */
export function moveFocus(list: HTMLElement, event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
  const stops = [...list.querySelectorAll<HTMLElement>('[data-stop]')];
  const from = (event.target as HTMLElement).closest('li, [data-head]')?.querySelector<HTMLElement>('[data-stop]');
  const at = from ? stops.indexOf(from) : -1;
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: stops.length - 1 }[event.key];
  if (to === undefined) return false;
  const stop = stops[Math.max(0, Math.min(stops.length - 1, to))];
  stop?.focus();
  stop?.scrollIntoView({ block: 'nearest' });
  event.preventDefault();
  return true;
}
