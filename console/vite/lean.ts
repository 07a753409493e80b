/** Leaves out what no visitor needs: the addresses in libraries' messages, and the font formats of old browsers. */
import type { Plugin } from 'vite';

const addresses = /https:\/\/(?:svelte\.dev\/e\/|github\.com\/)/g;
const oldFonts = /,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\(["'](?:woff|truetype)["']\)/g;

export function lean(): Plugin {
  return {
    name: 'sevenb-lean',
    apply: 'build',
    enforce: 'pre',
    transform: {
      filter: { id: /katex.*\.css/ },
      handler: (code) => ({ code: code.replace(oldFonts, ''), map: null }),
    },
    renderChunk: (code) => ({ code: code.replace(addresses, ''), map: null }),
  };
}
