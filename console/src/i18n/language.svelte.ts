/** The language of the page: the user's choice, else the browser's. */
export type Language = 'en' | 'zh';

const STORED = 'sevenb.language';

function first(): Language {
  try {
    const stored = localStorage.getItem(STORED);
    if (stored === 'en' || stored === 'zh') return stored;
  } catch {
    // Storage is switched off: the browser's language it is.
  }
  return globalThis.navigator?.language?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

class LanguageState {
  #current = $state<Language>(first());

  get current(): Language {
    return this.#current;
  }

  /** For Intl and `lang`. */
  get tag(): string {
    return this.#current === 'zh' ? 'zh-CN' : 'en-GB';
  }

  choose(language: Language): void {
    this.#current = language;
    try {
      localStorage.setItem(STORED, language);
    } catch {
      // It holds for this visit then.
    }
    document.documentElement.lang = this.tag;
  }
}

export const language = new LanguageState();
