/** Builds the page into the Python package, or serves it with hot reload over a server named by SEVENB_API. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

import { compressed } from './vite/compressed.ts';
import { lean } from './vite/lean.ts';
import { notices } from './vite/notices.ts';
import { themeScript } from './vite/theme.ts';

const server = process.env.SEVENB_API ?? 'http://127.0.0.1:8000';

export default defineConfig({
  base: '/console/',
  publicDir: false,
  plugins: [lean(), svelte(), themeScript(), notices(), compressed()],
  build: {
    outDir: '../sevenb/server/console/page',
    emptyOutDir: true,
    assetsDir: 'assets',
    // Everything is a file of its own: the page's policy allows no inline script, style or font.
    assetsInlineLimit: 0,
    target: 'es2022',
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/console/api': {
        target: server,
        changeOrigin: true,
        configure: (proxy) => {
          // To the server the page is its own.
          proxy.on('proxyReq', (request) => {
            request.removeHeader('origin');
            request.setHeader('sec-fetch-site', 'same-origin');
          });
        },
      },
    },
  },
  test: { include: ['src/**/*.test.ts'] },
});
