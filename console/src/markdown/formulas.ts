/** Draws formulas with KaTeX, which is fetched when the first formula appears. */
import type { Formula } from './nodes';

interface Tree {
  attributes?: Record<string, unknown>;
  children?: Tree[];
  toNode(): globalThis.Node;
}

type Renderer = (source: string, options: Record<string, unknown>) => Tree;

let renderer: Renderer | null = null;
let fetching: Promise<void> | null = null;
/** What each element is to show. */
const shown = new WeakMap<HTMLElement, Formula>();

export function drawFormula(formula: Formula): HTMLElement {
  const holder = document.createElement(formula.display ? 'div' : 'span');
  updateFormula(holder, formula);
  return holder;
}

export function updateFormula(holder: HTMLElement, formula: Formula): void {
  const before = shown.get(holder);
  if (before && before.source === formula.source && before.open === formula.open) return;
  shown.set(holder, formula);
  if (formula.open) return plain(holder, formula, 'markdown-formula-open');
  if (renderer !== null) return typeset(holder, formula, renderer);
  plain(holder, formula, 'markdown-formula-open');
  fetching ??= fetchRenderer();
  void fetching.then(
    () => {
      const now = shown.get(holder);
      if (now && !now.open && renderer !== null) typeset(holder, now, renderer);
    },
    () => (fetching = null),
  );
}

async function fetchRenderer(): Promise<void> {
  const [library] = await Promise.all([import('katex'), import('katex/dist/katex.min.css')]);
  renderer = (library.default as unknown as { __renderToDomTree: Renderer }).__renderToDomTree;
}

function typeset(holder: HTMLElement, formula: Formula, render: Renderer): void {
  try {
    const tree = render(formula.source, {
      displayMode: formula.display,
      throwOnError: true,
      strict: 'ignore',
      trust: false,
      maxSize: 20,
      maxExpand: 500,
    });
    withoutInlineStyles(tree);
    holder.className = formula.display ? 'markdown-formula markdown-formula-display' : 'markdown-formula';
    // A formula that is wider than its column scrolls: also by keyboard.
    if (formula.display) holder.tabIndex = 0;
    holder.replaceChildren(tree.toNode());
  } catch {
    // Not TeX, or not TeX that KaTeX knows: as it was written.
    plain(holder, formula, 'markdown-formula-source');
  }
}

function plain(holder: HTMLElement, formula: Formula, look: string): void {
  holder.className = formula.display ? `${look} markdown-formula-display` : look;
  holder.removeAttribute('tabindex');
  if (holder.childNodes.length !== 1 || !(holder.firstChild instanceof Text)) holder.replaceChildren(document.createTextNode(''));
  (holder.firstChild as Text).data = formula.source;
}

/**
 * A few commands put a `style` attribute on the part for screen readers, which the page's policy forbids (what is seen
 * is styled through the style object, which it allows).
 */
function withoutInlineStyles(tree: Tree): void {
  if (tree.attributes && 'style' in tree.attributes) delete tree.attributes.style;
  tree.children?.forEach(withoutInlineStyles);
}
