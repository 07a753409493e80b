/** Lets a text area grow with its text: `{@attach autogrow(() => ({ value, maxRows }))}`. */
import type { Attachment } from 'svelte/attachments';

export function autogrow(get: () => { value: string; maxRows?: number }): Attachment<HTMLTextAreaElement> {
  return (area) => {
    const fit = (maxRows: number) => {
      const style = getComputedStyle(area);
      const around = area.offsetHeight - area.clientHeight;
      const padding = Number.parseFloat(style.paddingTop) + Number.parseFloat(style.paddingBottom);
      const most = Number.parseFloat(style.lineHeight) * maxRows + padding + around;
      area.style.height = 'auto';
      const wanted = area.scrollHeight + around;
      area.style.height = `${Math.min(wanted, most)}px`;
      area.style.overflowY = wanted > most ? 'auto' : 'hidden';
    };
    $effect(() => {
      const { value, maxRows = 16 } = get();
      // The text is in the area once the frame's other effects have run.
      if (area.value === value) fit(maxRows);
      else queueMicrotask(() => fit(maxRows));
    });
    let width = area.clientWidth;
    const watch = new ResizeObserver(() => {
      if (area.clientWidth === width) return;
      width = area.clientWidth;
      fit(get().maxRows ?? 16);
    });
    watch.observe(area);
    return () => watch.disconnect();
  };
}
