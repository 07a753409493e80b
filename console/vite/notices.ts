/** Writes the licences of everything that went into the bundle to `assets/third-party.txt`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Plugin } from 'vite';

interface Manifest {
  name: string;
  version: string;
  license?: string;
}

/** Folders of the packages that these modules belong to. */
function packages(modules: Iterable<string>): string[] {
  const folders = new Set<string>();
  for (const module of modules) {
    const found = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(module.replaceAll('\\', '/'));
    if (found?.[1]) folders.add(found[1].replace(/^\0/, ''));
  }
  return [...folders].filter((folder) => existsSync(join(folder, 'package.json'))).sort();
}

function notice(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? readFileSync(join(folder, file), 'utf8').trim() : '';
  return `${manifest.name} ${manifest.version} (${manifest.license ?? 'see below'})\n\n${text}\n`;
}

export function notices(): Plugin {
  return {
    name: 'sevenb-notices',
    apply: 'build',
    generateBundle(_, bundle) {
      const modules = Object.values(bundle).flatMap((file) => (file.type === 'chunk' ? file.moduleIds : file.originalFileNames));
      const rule = `\n${'-'.repeat(80)}\n\n`;
      const text = ['This page contains the work of others:\n', ...packages(modules).map(notice)].join(rule);
      this.emitFile({ type: 'asset', fileName: 'assets/third-party.txt', source: text });
    },
  };
}
