/** Whether the server can be reached: learnt from the requests themselves, and asked for while it cannot. */
const EVERY = 3000;

class Connection {
  #online = $state(true);
  #timer: ReturnType<typeof setTimeout> | null = null;

  get online(): boolean {
    return this.#online;
  }

  reached(): void {
    this.#online = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  lost(): void {
    this.#online = false;
    this.#timer ??= setTimeout(() => void this.try(), EVERY);
  }

  /** Asks now whether the server is there. */
  async try(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    try {
      await fetch('/health', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
      this.reached();
    } catch {
      this.lost();
    }
  }
}

export const connection = new Connection();

globalThis.addEventListener?.('offline', () => void connection.try());
globalThis.addEventListener?.('online', () => void connection.try());
