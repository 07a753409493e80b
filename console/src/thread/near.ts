/** Tells rows when they come near what is in sight: `{@attach near(scroller, () => …)}`, once. */
import type { Attachment } from 'svelte/attachments';

/** So many screens above and below count as near. */
const MARGIN = '150% 0px';

export class Near {
  private readonly waiting = new Map<Element, () => void>();
  private observer: IntersectionObserver | null = null;

  /** The element that scrolls. */
  readonly root: Attachment<HTMLElement> = (element) => {
    this.observer = new IntersectionObserver((entries) => this.seen(entries), { root: element, rootMargin: MARGIN });
    for (const row of this.waiting.keys()) this.observer.observe(row);
    return () => this.observer?.disconnect();
  };

  row(come: () => void): Attachment<HTMLElement> {
    return (element) => {
      this.waiting.set(element, come);
      this.observer?.observe(element);
      return () => this.forget(element);
    };
  }

  private seen(entries: readonly IntersectionObserverEntry[]): void {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      const come = this.waiting.get(target);
      this.forget(target);
      come?.();
    }
  }

  private forget(element: Element): void {
    this.waiting.delete(element);
    this.observer?.unobserve(element);
  }
}
