/** Colours code: highlight.js finds the words, and gives nodes instead of HTML. */
import type { Emitter, HLJSApi } from 'highlight.js';
import { LANGUAGES } from './languages';
import { append, element, type Node } from './nodes';

/** Longer code stays plain: colouring it would hold the page up. */
const LONGEST = 60_000;

/** Which of our few colours a part of code gets; parts that are not named here have none. */
const COLOURS: Readonly<Record<string, string>> = {
  keyword: 'keyword', 'selector-tag': 'keyword', 'template-tag': 'keyword', tag: '', operator: '',
  string: 'string', regexp: 'string', addition: 'string', link: 'string', 'char.escape': 'number',
  number: 'number', literal: 'number', symbol: 'number', bullet: 'number', 'template-variable': 'number',
  title: 'title', section: 'title', name: 'title', 'selector-id': 'title', 'selector-class': 'title', formula: 'title',
  type: 'type', built_in: 'type', class: 'type', attr: 'type', attribute: 'type', 'variable.language': 'keyword',
  comment: 'comment', quote: 'comment', doctag: 'comment', meta: 'meta', deletion: 'deletion', emphasis: '', strong: '',
};

function colour(scope: string): string {
  return COLOURS[scope] ?? COLOURS[scope.split('.', 1)[0]!] ?? '';
}

interface Scope {
  colour: string;
  children: Node[];
}

/** Takes what highlight.js finds, and makes a tree of it. */
class Tree implements Emitter {
  readonly root: Scope = { colour: '', children: [] };
  private readonly scopes: Scope[] = [this.root];

  addText(text: string): void {
    append(this.scopes.at(-1)!.children, text);
  }

  startScope(scope: string): void {
    this.scopes.push({ colour: colour(scope), children: [] });
  }

  endScope(): void {
    if (this.scopes.length === 1) return;
    const { colour, children } = this.scopes.pop()!;
    const below = this.scopes.at(-1)!.children;
    if (colour === '') for (const child of children) append(below, child);
    else if (children.length > 0) below.push(element('span', children, CLASSES[colour]));
  }

  openNode(scope: string): void {
    this.startScope(scope);
  }

  closeNode(): void {
    this.endScope();
  }

  __addSublanguage(inside: Emitter): void {
    for (const child of (inside as Tree).root.children) append(this.scopes.at(-1)!.children, child);
  }

  finalize(): void {
    while (this.scopes.length > 1) this.endScope();
  }

  toHTML(): string {
    return '';
  }
}

const CLASSES: Readonly<Record<string, Readonly<Record<string, string>>>> = Object.fromEntries(
  [...new Set(Object.values(COLOURS))].map((name) => [name, Object.freeze({ class: `code-${name}` })]),
);

let core: HLJSApi | null = null;
const fetched = new Map<string, Promise<void>>();

/** Fetches what a language needs; once is enough. */
export function fetchLanguage(key: string): Promise<void> {
  let fetching = fetched.get(key);
  if (!fetching) {
    fetching = register(key);
    // Offline, say: the next code block asks again.
    fetching.catch(() => fetched.delete(key));
    fetched.set(key, fetching);
  }
  return fetching;
}

async function register(key: string): Promise<void> {
  const { fetch, within = [] } = LANGUAGES[key]!;
  const [library, language] = await Promise.all([import('highlight.js/lib/core'), fetch(), ...within.map(fetchLanguage)]);
  if (core === null) {
    core = library.default;
    core.configure({ __emitter: Tree });
  }
  core.registerLanguage(key, language.default);
}

/** The code as nodes; null where its language has not been fetched yet, or the code is too long. */
export function highlighted(text: string, key: string): Node[] | null {
  if (!core?.getLanguage(key) || text.length > LONGEST) return null;
  const { _emitter: tree } = core.highlight(text, { language: key, ignoreIllegals: true });
  return (tree as Tree).root.children;
}
