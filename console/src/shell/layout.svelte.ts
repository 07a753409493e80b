/** What of the frame is shown: the sidebar beside the page, or over it on a phone. */
const NARROW = '(width < 56rem)';
const STORED = 'sevenb.sidebar';

class Layout {
  #query = globalThis.matchMedia?.(NARROW);
  #narrow = $state(this.#query?.matches ?? false);
  #beside = $state(stored());
  /** The sidebar as a drawer, where there is no room beside the page. */
  drawer = $state(false);
  palette = $state(false);
  shortcuts = $state(false);

  constructor() {
    this.#query?.addEventListener('change', (event) => {
      this.#narrow = event.matches;
      this.drawer = false;
    });
  }

  /** Less than 56rem wide: no room for a sidebar beside the page. */
  get narrow(): boolean {
    return this.#narrow;
  }

  /** Whether the sidebar stands beside the page; where not, bars show the button for it. */
  get beside(): boolean {
    return this.#beside && !this.#narrow;
  }

  toggleSidebar(): void {
    if (this.#narrow) {
      this.drawer = !this.drawer;
      return;
    }
    this.#beside = !this.#beside;
    try {
      localStorage.setItem(STORED, this.#beside ? 'open' : 'closed');
    } catch {
      // It holds for this visit then.
    }
  }
}

function stored(): boolean {
  try {
    return localStorage.getItem(STORED) !== 'closed';
  } catch {
    return true;
  }
}

export const layout = new Layout();
