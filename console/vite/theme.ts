/** Puts `src/theme.js` before the first paint: a small file of its own, which the page's policy allows and a module is not. */
import { readFileSync } from 'node:fs';

import type { Plugin } from 'vite';

const source = new URL('../src/theme.js', import.meta.url);

export function themeScript(): Plugin {
  let base = '/';
  return {
    name: 'sevenb-theme',
    configResolved(config) {
      base = config.base;
    },
    buildStart() {
      this.addWatchFile(source.pathname);
      if (!this.meta.watchMode && this.environment.mode === 'build') {
        this.emitFile({ type: 'asset', name: 'theme.js', source: readFileSync(source, 'utf8') });
      }
    },
    transformIndexHtml: {
      order: 'post',
      handler(_, { bundle }) {
        const built = Object.values(bundle ?? {}).find((file) => file.type === 'asset' && file.names.includes('theme.js'));
        return [{ tag: 'script', attrs: { src: base + (built?.fileName ?? 'src/theme.js') }, injectTo: 'head' }];
      },
    },
  };
}
