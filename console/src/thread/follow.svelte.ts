/** Keeps the end of a thread in sight while it grows, and lets go as soon as the reader scrolls up. */

/** So close to the end counts as being there. */
const NEAR = 24;
/** From so far away there is a button that leads back. */
const FAR = 160;

export class Follow {
  /** The reader is at the end, and stays there. */
  following = $state(true);
  /** The end is out of sight. */
  away = $state(false);

  private scroller: HTMLElement | null = null;
  private top = 0;

  /** Watches the element that scrolls, whose only child is what grows. */
  readonly attach = (scroller: HTMLElement): (() => void) => {
    this.scroller = scroller;
    const watch = new ResizeObserver(() => this.keep());
    watch.observe(scroller);
    watch.observe(scroller.firstElementChild!);
    scroller.addEventListener('scroll', this.scrolled, { passive: true });
    this.toEnd();
    return () => {
      watch.disconnect();
      scroller.removeEventListener('scroll', this.scrolled);
      this.scroller = null;
    };
  };

  toEnd(): void {
    this.following = true;
    this.away = false;
    if (this.scroller) this.top = this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Stays where it is, until the reader scrolls to the end. */
  letGo(): void {
    this.following = false;
  }

  /** After a change of size, before it is painted. */
  private keep(): void {
    if (this.following) this.toEnd();
    else this.look();
  }

  private readonly scrolled = (): void => {
    const before = this.top;
    const distance = this.look();
    // Text that shrinks moves the view too, but leaves it at the end.
    if (this.top < before - 1 && distance > NEAR) this.following = false;
    else if (distance <= NEAR) this.following = true;
  };

  private look(): number {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller!;
    this.top = scrollTop;
    const distance = scrollHeight - clientHeight - scrollTop;
    this.away = !this.following && distance > FAR;
    return distance;
  }
}
