/** Shows Markdown in an element, and follows as it grows: only what changed is parsed and drawn again. */
import { Blocks } from './blocks';
import { Builder } from './builder';
import { drawCode, updateCode } from './code';
import { drawFormula, updateFormula } from './formulas';
import type { Node } from './nodes';
import { patch, type Drawers } from './patch';

/** In which of its elements the end of a block may stand, and the elements that can show it. */
const BLOCKS: ReadonlySet<string> = new Set(['UL', 'OL', 'BLOCKQUOTE', 'P', 'DIV']);
const ITEMS: ReadonlySet<string> = new Set(['LI']);
const INSIDE: Readonly<Record<string, ReadonlySet<string>>> = {
  UL: ITEMS,
  OL: ITEMS,
  LI: BLOCKS,
  BLOCKQUOTE: BLOCKS,
  DIV: new Set(['PRE']),
  PRE: new Set(['CODE']),
};
const CARRIERS: ReadonlySet<string> = new Set(['LI', 'P', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6', 'CODE']);

export class MarkdownView {
  private readonly blocks = new Blocks();
  private builder = new Builder(this.blocks.definitions);
  /** So many of the settled blocks stand in the page, the last of them being this child. */
  private placed = 0;
  private boundary: ChildNode | null = null;
  /** What stands behind it. */
  private tail: readonly Node[] = [];
  private caret: Element | null = null;
  private readonly drawers: Drawers;

  constructor(
    private readonly root: HTMLElement,
    private copyLabel: string,
  ) {
    this.drawers = { code: (node) => drawCode(node, this.copyLabel), updateCode, formula: drawFormula, updateFormula };
  }

  /** `growing`: more will come behind this text. */
  update(text: string, growing: boolean): void {
    const goesOn = this.blocks.update(text, growing);
    if (!goesOn || this.blocks.definitionsChanged) this.clear();
    const settled = this.builder.build(this.blocks.settled.slice(this.placed));
    const tail = this.builder.build(this.blocks.tail, growing);
    this.builder.endRound();
    const first = this.boundary === null ? this.root.firstChild : this.boundary.nextSibling;
    patch(this.root, this.tail, settled.length === 0 ? tail : [...settled, ...tail], this.drawers, first);
    this.tail = tail;
    this.placed = this.blocks.settled.length;
    if (settled.length > 0) this.settle(tail.length);
    this.moveCaret(growing);
  }

  /** Moves the boundary to the last child that will not change. */
  private settle(behind: number): void {
    const last = this.root.childNodes[this.root.childNodes.length - behind - 1] ?? null;
    for (let child = last; child !== this.boundary && child !== null; child = child.previousSibling) {
      (child as HTMLElement).classList.add('markdown-settled');
    }
    this.boundary = last;
  }

  /** Marks the element that the text goes on in; selectors that find it would make every change dear. */
  private moveCaret(growing: boolean): void {
    let at = growing ? this.root.lastElementChild : null;
    while (at?.lastElementChild && INSIDE[at.tagName]?.has(at.lastElementChild.tagName)) at = at.lastElementChild;
    if (at && !CARRIERS.has(at.tagName)) at = null;
    if (at === this.caret) return;
    this.caret?.removeAttribute('data-caret');
    at?.setAttribute('data-caret', '');
    this.caret = at;
  }

  /** The word on the buttons that copy code, in the reader's language. */
  relabel(copyLabel: string): void {
    if (copyLabel === this.copyLabel) return;
    this.copyLabel = copyLabel;
    for (const button of this.root.querySelectorAll('.markdown-copy')) button.textContent = copyLabel;
  }

  private clear(): void {
    this.root.replaceChildren();
    this.builder = new Builder(this.blocks.definitions);
    this.placed = 0;
    this.boundary = null;
    this.tail = [];
  }
}
