/**
 * What Markdown becomes before it becomes elements of the page: text, a few kinds of elements, and things that draw
 * themselves. There is no HTML string on the way, so nothing that a model wrote can ever be parsed as HTML.
 */

export type Node = string | Element | CodeBlock | Formula;

export interface Element {
  readonly kind: 'element';
  readonly tag: Tag;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Node[];
}

export interface CodeBlock {
  readonly kind: 'code';
  readonly language: string;
  readonly text: string;
  /** More of it is on its way. */
  readonly open: boolean;
}

export interface Formula {
  readonly kind: 'formula';
  readonly source: string;
  readonly display: boolean;
  /** More of it is on its way: shown as it was written. */
  readonly open: boolean;
}

/** Every element that an answer can make. */
export type Tag =
  | 'a' | 'blockquote' | 'br' | 'code' | 'del' | 'div' | 'em' | 'h1' | 'h2' | 'h3' | 'h4' | 'h5' | 'h6' | 'hr' | 'input'
  | 'ins' | 'kbd' | 'li' | 'mark' | 'ol' | 'p' | 'pre' | 'q' | 's' | 'small' | 'span' | 'strong' | 'sub' | 'sup'
  | 'table' | 'tbody' | 'td' | 'th' | 'thead' | 'tr' | 'u' | 'ul';

const NOTHING = Object.freeze({});

export function element(tag: Tag, children: readonly Node[] = [], attributes: Readonly<Record<string, string>> = NOTHING): Element {
  return { kind: 'element', tag, attributes, children };
}

/** The text of nodes, as a screen reader would get it. */
export function plainText(nodes: readonly Node[]): string {
  let text = '';
  for (const node of nodes) {
    if (typeof node === 'string') text += node;
    else if (node.kind === 'element') text += node.tag === 'br' ? '\n' : plainText(node.children);
    else text += node.kind === 'code' ? node.text : node.source;
  }
  return text;
}

/** Appends to a list of nodes so that no two texts stand side by side. */
export function append(nodes: Node[], node: Node): void {
  const last = nodes.length - 1;
  if (typeof node !== 'string') nodes.push(node);
  else if (node === '') return;
  else if (typeof nodes[last] === 'string') nodes[last] += node;
  else nodes.push(node);
}
