/** The languages that code is coloured in, each fetched when an answer first uses it. */
import type { LanguageFn } from 'highlight.js';

interface Known {
  /** As people write it. */
  readonly name: string;
  readonly fetch: () => Promise<{ default: LanguageFn }>;
  /** Languages within it, by their keys. */
  readonly within?: readonly string[];
}

export const LANGUAGES: Readonly<Record<string, Known>> = {
  bash: { name: 'Shell', fetch: () => import('highlight.js/lib/languages/bash') },
  c: { name: 'C', fetch: () => import('highlight.js/lib/languages/c') },
  cpp: { name: 'C++', fetch: () => import('highlight.js/lib/languages/cpp') },
  csharp: { name: 'C#', fetch: () => import('highlight.js/lib/languages/csharp') },
  css: { name: 'CSS', fetch: () => import('highlight.js/lib/languages/css') },
  diff: { name: 'Diff', fetch: () => import('highlight.js/lib/languages/diff') },
  dockerfile: { name: 'Dockerfile', fetch: () => import('highlight.js/lib/languages/dockerfile') },
  go: { name: 'Go', fetch: () => import('highlight.js/lib/languages/go') },
  ini: { name: 'INI', fetch: () => import('highlight.js/lib/languages/ini') },
  java: { name: 'Java', fetch: () => import('highlight.js/lib/languages/java') },
  javascript: { name: 'JavaScript', fetch: () => import('highlight.js/lib/languages/javascript') },
  json: { name: 'JSON', fetch: () => import('highlight.js/lib/languages/json') },
  kotlin: { name: 'Kotlin', fetch: () => import('highlight.js/lib/languages/kotlin') },
  latex: { name: 'LaTeX', fetch: () => import('highlight.js/lib/languages/latex') },
  lua: { name: 'Lua', fetch: () => import('highlight.js/lib/languages/lua') },
  makefile: { name: 'Makefile', fetch: () => import('highlight.js/lib/languages/makefile') },
  markdown: { name: 'Markdown', fetch: () => import('highlight.js/lib/languages/markdown') },
  php: { name: 'PHP', fetch: () => import('highlight.js/lib/languages/php') },
  powershell: { name: 'PowerShell', fetch: () => import('highlight.js/lib/languages/powershell') },
  python: { name: 'Python', fetch: () => import('highlight.js/lib/languages/python') },
  r: { name: 'R', fetch: () => import('highlight.js/lib/languages/r') },
  ruby: { name: 'Ruby', fetch: () => import('highlight.js/lib/languages/ruby') },
  rust: { name: 'Rust', fetch: () => import('highlight.js/lib/languages/rust') },
  sql: { name: 'SQL', fetch: () => import('highlight.js/lib/languages/sql') },
  swift: { name: 'Swift', fetch: () => import('highlight.js/lib/languages/swift') },
  typescript: { name: 'TypeScript', fetch: () => import('highlight.js/lib/languages/typescript') },
  xml: { name: 'HTML', fetch: () => import('highlight.js/lib/languages/xml'), within: ['css', 'javascript'] },
  yaml: { name: 'YAML', fetch: () => import('highlight.js/lib/languages/yaml') },
};

/** Names that models write behind a fence, and what they mean. */
const ALIASES: Readonly<Record<string, string>> = {
  'c++': 'cpp', cc: 'cpp', cxx: 'cpp', h: 'cpp', hpp: 'cpp', cs: 'csharp', 'c#': 'csharp', console: 'bash', docker: 'dockerfile',
  golang: 'go', html: 'xml', js: 'javascript', json5: 'json', jsonc: 'json', jsonl: 'json', jsx: 'javascript', kt: 'kotlin',
  make: 'makefile', md: 'markdown', mjs: 'javascript', mysql: 'sql', patch: 'diff', postgresql: 'sql', ps1: 'powershell',
  py: 'python', python3: 'python', rb: 'ruby', rs: 'rust', sh: 'bash', shell: 'bash', sqlite: 'sql', svelte: 'xml', svg: 'xml',
  tex: 'latex', toml: 'ini', ts: 'typescript', tsx: 'typescript', vue: 'xml', xhtml: 'xml', yml: 'yaml', zsh: 'bash',
};

/** The key of a language in LANGUAGES; null: it is not coloured. */
export function languageKey(written: string): string | null {
  const name = written.toLowerCase();
  const key = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name;
  return Object.hasOwn(LANGUAGES, key) ? key : null;
}

/** What stands above the code. */
export function languageName(written: string): string {
  const key = languageKey(written);
  if (key === null || ['svg', 'vue', 'svelte', 'toml', 'tsx', 'jsx', 'xml'].includes(written.toLowerCase())) return written;
  return LANGUAGES[key]!.name;
}
