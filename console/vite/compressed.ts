/** Writes a `.gz` beside every file that is worth it, so that the server need not compress. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import type { Plugin } from 'vite';

const worthIt = /\.(js|css|html|svg|txt|json|webmanifest)$/;

export function compressed(): Plugin {
  let folder = '';
  return {
    name: 'sevenb-compressed',
    apply: 'build',
    configResolved(config) {
      folder = config.build.outDir;
    },
    writeBundle(options) {
      const root = options.dir ?? folder;
      for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
        const path = join(root, name);
        if (worthIt.test(name) && statSync(path).size > 512) {
          writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        }
      }
    },
  };
}
