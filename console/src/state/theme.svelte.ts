/** Light, dark, or as the system has it; `theme.js` puts the choice onto the page. */
export type Theme = 'light' | 'dark' | 'system';

const STORED = 'sevenb.theme';

function stored(): Theme {
  try {
    const value = localStorage.getItem(STORED);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

class ThemeState {
  #choice = $state<Theme>(stored());

  get choice(): Theme {
    return this.#choice;
  }

  choose(theme: Theme): void {
    this.#choice = theme;
    try {
      if (theme === 'system') localStorage.removeItem(STORED);
      else localStorage.setItem(STORED, theme);
    } catch {
      // Without storage the system decides.
    }
    dispatchEvent(new Event('sevenb:theme'));
  }
}

export const theme = new ThemeState();
