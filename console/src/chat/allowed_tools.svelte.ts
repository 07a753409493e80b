/** The tools that this browser's user has allowed once and for all. */

import { SvelteSet } from 'svelte/reactivity';

const KEY = 'sevenb.tools.allowed';

class AllowedTools {
  private readonly names = new SvelteSet<string>(kept());

  has(name: string): boolean {
    return this.names.has(name);
  }

  add(name: string): void {
    this.names.add(name);
    this.keep();
  }

  remove(name: string): void {
    this.names.delete(name);
    this.keep();
  }

  private keep(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify([...this.names]));
    } catch {
      // Allowed as long as the page lives.
    }
  }
}

function kept(): string[] {
  try {
    const names = JSON.parse(localStorage.getItem(KEY) ?? '[]') as unknown;
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}

export const alwaysAllowed = new AllowedTools();
