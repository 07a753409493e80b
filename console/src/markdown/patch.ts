/** Brings elements of the page from what they show to what they are to show, and touches nothing that stays. */
import type { CodeBlock, Element, Formula, Node } from './nodes';

/** Draws what is more than an element. */
export interface Drawers {
  code(node: CodeBlock): HTMLElement;
  updateCode(element: HTMLElement, node: CodeBlock): void;
  formula(node: Formula): HTMLElement;
  updateFormula(element: HTMLElement, node: Formula): void;
}

/** `parent` shows `old`, child by child, beginning with `first`; afterwards it shows `now`. */
export function patch(parent: ParentNode & globalThis.Node, old: readonly Node[], now: readonly Node[], drawers: Drawers, first: ChildNode | null = parent.firstChild): void {
  if (old === now) return;
  let child = first;
  const common = Math.min(old.length, now.length);
  for (let index = 0; index < common; index++) {
    const before = old[index]!;
    const after = now[index]!;
    const next: ChildNode | null = child!.nextSibling;
    if (before !== after && !update(child!, before, after, drawers)) parent.replaceChild(create(after, drawers), child!);
    child = next;
  }
  for (let index = common; index < old.length; index++) {
    const next: ChildNode | null = child!.nextSibling;
    child!.remove();
    child = next;
  }
  for (let index = common; index < now.length; index++) parent.appendChild(create(now[index]!, drawers));
}

export function create(node: Node, drawers: Drawers): ChildNode {
  if (typeof node === 'string') return document.createTextNode(node);
  if (node.kind === 'code') return drawers.code(node);
  if (node.kind === 'formula') return drawers.formula(node);
  const made = document.createElement(node.tag);
  for (const name in node.attributes) made.setAttribute(name, node.attributes[name]!);
  for (const child of node.children) made.appendChild(create(child, drawers));
  return made;
}

/** Says whether what is there could be kept. */
function update(there: ChildNode, before: Node, after: Node, drawers: Drawers): boolean {
  if (typeof before === 'string' || typeof after === 'string') {
    if (typeof before !== typeof after) return false;
    updateText(there as Text, after as string);
    return true;
  }
  if (before.kind !== after.kind) return false;
  if (after.kind === 'code') {
    drawers.updateCode(there as HTMLElement, after);
    return true;
  }
  if (after.kind === 'formula') {
    if ((before as Formula).display !== after.display) return false;
    drawers.updateFormula(there as HTMLElement, after);
    return true;
  }
  return updateElement(there as HTMLElement, before as Element, after, drawers);
}

/** Adds what is new, so that a selection in the text survives. */
export function updateText(there: Text, text: string): void {
  const shown = there.data;
  if (text === shown) return;
  if (text.startsWith(shown)) there.appendData(text.slice(shown.length));
  else there.data = text;
}

function updateElement(there: HTMLElement, before: Element, after: Element, drawers: Drawers): boolean {
  if (before.tag !== after.tag) return false;
  if (before.attributes !== after.attributes) {
    for (const name in before.attributes) if (!(name in after.attributes)) there.removeAttribute(name);
    for (const name in after.attributes) {
      if (before.attributes[name] !== after.attributes[name]) there.setAttribute(name, after.attributes[name]!);
    }
  }
  patch(there, before.children, after.children, drawers);
  return true;
}
