/* Sets the theme before anything is painted. The choice lies in localStorage; the server's copy of it comes later. */
(() => {
  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    let choice = null;
    try {
      choice = localStorage.getItem('sevenb.theme');
    } catch {
      // Storage is switched off: the system decides.
    }
    root.dataset.theme = choice === 'light' || choice === 'dark' ? choice : dark.matches ? 'dark' : 'light';
  };
  apply();
  dark.addEventListener('change', apply);
  addEventListener('storage', apply);
  addEventListener('sevenb:theme', apply);
})();
