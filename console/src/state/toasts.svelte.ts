/** Short messages at the bottom of the page that go by themselves. */
export interface ToastOptions {
  kind?: 'info' | 'success' | 'error';
  action?: { label: string; run: () => void };
  /** Seconds; an action gives more time, an error too. */
  seconds?: number;
}

export interface Toast extends ToastOptions {
  id: number;
  message: string;
}

class Toasts {
  #list = $state.raw<Toast[]>([]);
  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  get list(): readonly Toast[] {
    return this.#list;
  }

  show(message: string, options: ToastOptions = {}): number {
    const id = this.#next++;
    this.#list = [...this.#list.filter((toast) => toast.message !== message).slice(-2), { id, message, ...options }];
    this.resume(id);
    return id;
  }

  error(message: string, options: ToastOptions = {}): number {
    return this.show(message, { kind: 'error', ...options });
  }

  dismiss(id: number): void {
    this.pause(id);
    this.#list = this.#list.filter((toast) => toast.id !== id);
  }

  /** While somebody reads or reaches for it. */
  pause(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  resume(id: number): void {
    const toast = this.#list.find((one) => one.id === id);
    if (!toast) return;
    this.pause(id);
    const seconds = toast.seconds ?? (toast.action ? 8 : toast.kind === 'error' ? 7 : 4);
    this.#timers.set(id, setTimeout(() => this.dismiss(id), seconds * 1000));
  }
}

export const toasts = new Toasts();
