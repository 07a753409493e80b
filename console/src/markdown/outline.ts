/** Nodes as a line of text, for tests: never shown. */
import type { Node } from './nodes';

export function outline(nodes: readonly Node[]): string {
  return nodes.map(one).join('');
}

function one(node: Node): string {
  if (typeof node === 'string') return node.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  const open = node.kind !== 'element' && node.open ? ' open' : '';
  if (node.kind === 'code') return `<pre${node.language ? ` lang="${node.language}"` : ''}${open}>${one(node.text)}</pre>`;
  if (node.kind === 'formula') return `<math${node.display ? ' display' : ''}${open}>${one(node.source)}</math>`;
  const address = node.attributes.href === undefined ? '' : ` href="${node.attributes.href}"`;
  const single = ['br', 'hr', 'input'].includes(node.tag);
  return single ? `<${node.tag}>` : `<${node.tag}${address}>${outline(node.children)}</${node.tag}>`;
}
