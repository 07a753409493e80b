/** Draws a block of code: a header with its language and a button that copies it, and the code in colours. */
import { fetchLanguage, highlighted } from './highlight';
import { languageKey, languageName } from './languages';
import type { CodeBlock, Node } from './nodes';
import { patch, type Drawers } from './patch';

/** While code arrives it is coloured anew, but that takes no more than this share of the time. */
const SHARE = 1 / 10;

interface Drawn {
  node: CodeBlock;
  nodes: readonly Node[];
  /** So much of the text is coloured in `nodes`; the rest stands plain behind it. */
  coloured: number;
  colouredNodes: readonly Node[];
  /** When it may be coloured again. */
  next: number;
}

const drawn = new WeakMap<HTMLElement, Drawn>();
/** In code there is nothing but spans and text. */
const NO_DRAWERS = {} as Drawers;

export function drawCode(node: CodeBlock, copyLabel: string): HTMLElement {
  const block = document.createElement('div');
  block.className = 'markdown-code';
  const header = block.appendChild(document.createElement('div'));
  header.className = 'markdown-code-header';
  header.appendChild(document.createElement('span'));
  const button = header.appendChild(document.createElement('button'));
  button.type = 'button';
  button.className = 'markdown-copy';
  button.textContent = copyLabel;
  const pre = block.appendChild(document.createElement('pre'));
  // It scrolls sideways, by keyboard too.
  pre.tabIndex = 0;
  pre.dir = 'ltr';
  pre.appendChild(document.createElement('code'));
  drawn.set(block, { node: { ...node, text: '', language: '\u0000' }, nodes: [], coloured: 0, colouredNodes: [], next: 0 });
  updateCode(block, node);
  return block;
}

/** The text of the block that holds a copy button. */
export function codeOf(button: Element): string {
  const block = button.closest<HTMLElement>('.markdown-code');
  return (block && drawn.get(block)?.node.text) ?? '';
}

export function updateCode(block: HTMLElement, node: CodeBlock): void {
  const state = drawn.get(block)!;
  const before = state.node;
  if (before.text === node.text && before.language === node.language && before.open === node.open) return;
  state.node = node;
  if (before.language !== node.language) {
    state.coloured = 0;
    state.colouredNodes = [];
    block.querySelector('span')!.textContent = languageName(node.language);
    const key = languageKey(node.language);
    if (key !== null && highlighted('', key) === null) {
      void fetchLanguage(key).then(
        () => show(block, state, true),
        () => undefined,
      );
    }
  }
  show(block, state, !node.open);
}

/** `fully`: in colours to the end, now. */
function show(block: HTMLElement, state: Drawn, fully: boolean): void {
  const { text, language } = state.node;
  const key = languageKey(language);
  const started = performance.now();
  if (key !== null && (fully || started >= state.next)) {
    const nodes = highlighted(text, key);
    if (nodes !== null) {
      state.colouredNodes = nodes;
      state.coloured = text.length;
    }
  }
  const rest = text.slice(state.coloured);
  const nodes = rest === '' ? state.colouredNodes : [...state.colouredNodes, rest];
  patch(block.querySelector('code')!, state.nodes, nodes, NO_DRAWERS);
  state.nodes = nodes;
  if (rest === '') {
    const ended = performance.now();
    state.next = ended + (ended - started) / SHARE;
  }
}
