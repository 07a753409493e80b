/** Whether the parameters are shown, and where: beside the chat, or over it where there is no room. */

const ROOM = '(width >= 72rem)';
const STORED = 'sevenb.parameters';

class Panel {
  private readonly query = globalThis.matchMedia?.(ROOM);
  /** Room beside the chat. */
  beside = $state(this.query?.matches ?? true);
  private kept = $state(stored());
  private over = $state(false);

  constructor() {
    this.query?.addEventListener('change', (event) => {
      this.beside = event.matches;
      this.over = false;
    });
  }

  get open(): boolean {
    return this.beside ? this.kept : this.over;
  }

  toggle(): void {
    if (this.open) this.hide();
    else this.show();
  }

  show(): void {
    this.set(true);
  }

  hide(): void {
    this.set(false);
  }

  private set(open: boolean): void {
    if (!this.beside) {
      this.over = open;
      return;
    }
    this.kept = open;
    try {
      localStorage.setItem(STORED, open ? 'open' : 'closed');
    } catch {
      // It holds for this visit then.
    }
  }
}

function stored(): boolean {
  try {
    return localStorage.getItem(STORED) === 'open';
  } catch {
    return false;
  }
}

export const panel = new Panel();
