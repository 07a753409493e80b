/** Makes nodes of blocks; what stands inside a line is made once for each text that a message holds. */
import type { Token, Tokens } from 'marked';
import type { Definitions } from './brackets';
import type { MathsToken } from './blocks';
import { parseInline } from './inline';
import { element, plainText, type Node, type Tag } from './nodes';

/** Blocks within blocks, deeper than this, are shown as their source. */
const DEEPEST = 32;

export class Builder {
  /** Nodes of a text by that text: the same list again means that nothing of it has to be drawn. */
  private known = new Map<string, readonly Node[]>();
  private used = new Map<string, readonly Node[]>();

  constructor(private readonly definitions: Definitions) {}

  /** With `growing`, the last text of the last block may go on. */
  build(tokens: readonly Token[], growing = false): Node[] {
    return this.blocks(tokens, growing, 0, false);
  }

  /** Call it after a round: what that round did not need is forgotten. */
  endRound(): void {
    this.known = this.used;
    this.used = new Map();
  }

  private blocks(tokens: readonly Token[], growing: boolean, depth: number, tight: boolean): Node[] {
    const nodes: Node[] = [];
    const last = growing ? tokens.findLastIndex((token) => token.type !== 'space') : -1;
    tokens.forEach((token, index) => {
      const node = this.block(token as Tokens.Generic, index === last, depth, tight);
      if (Array.isArray(node)) nodes.push(...(node as readonly Node[]));
      else if (node !== null) nodes.push(node as Node);
    });
    return nodes;
  }

  private block(generic: Tokens.Generic, growing: boolean, depth: number, tight: boolean): Node | readonly Node[] | null {
    const token = generic as Token | MathsToken;
    if (depth > DEEPEST) return element('p', [token.raw]);
    switch (token.type) {
      case 'heading':
        return element(`h${token.depth}` as Tag, this.inline(token.text, growing), AUTO);
      case 'paragraph':
        return element('p', this.inline(token.text, growing), AUTO);
      case 'text':
        return tight ? this.inline(token.text, growing) : element('p', this.inline(token.text, growing), AUTO);
      case 'code':
        return { kind: 'code', language: language(token.lang), text: token.text, open: growing && !isClosed(token.raw) };
      case 'maths':
        return { kind: 'formula', source: token.text, display: true, open: (token as MathsToken).open };
      case 'blockquote':
        return element('blockquote', this.blocks(token.tokens ?? [], growing, depth + 1, false));
      case 'list':
        return this.list(token as Tokens.List, growing, depth);
      case 'table':
        return this.table(token as Tokens.Table, growing);
      case 'hr':
        return element('hr');
      case 'html':
        return element('pre', [token.text.replace(/\n+$/, '')], HTML);
      default:
        return null;
    }
  }

  private list(token: Tokens.List, growing: boolean, depth: number): Node {
    const last = token.items.length - 1;
    const items = token.items.map((item, index) => {
      const inside = item.tokens.filter((part) => (part.type as string) !== 'checkbox');
      const nodes = this.blocks(inside, growing && index === last, depth + 1, !item.loose);
      if (!item.task) return element('li', nodes, AUTO);
      const box = checkbox(item.checked ?? false, plainText(nodes));
      const first = nodes[0];
      if (typeof first === 'object' && first.kind === 'element' && first.tag === 'p') {
        return element('li', [element('p', [box, ...first.children], AUTO), ...nodes.slice(1)], TASK);
      }
      return element('li', [box, ...nodes], TASK);
    });
    const start = token.ordered && typeof token.start === 'number' && token.start !== 1 ? { start: String(token.start) } : undefined;
    return element(token.ordered ? 'ol' : 'ul', items, start);
  }

  private table(token: Tokens.Table, growing: boolean): Node {
    const lastRow = token.rows.length - 1;
    const row = (cells: readonly Tokens.TableCell[], tag: 'th' | 'td', goesOn: boolean): Node =>
      element(
        'tr',
        cells.map((cell) => element(tag, this.inline(cell.text, goesOn && cell.text !== ''), { dir: 'auto', ...alignment(cell.align) })),
      );
    const body = token.rows.map((cells, index) => row(cells, 'td', growing && index === lastRow));
    const table = element('table', [
      element('thead', [row(token.header, 'th', growing && lastRow < 0)]),
      ...(body.length > 0 ? [element('tbody', body)] : []),
    ]);
    return element('div', [table], { class: 'markdown-table', tabindex: '0', role: 'group' });
  }

  private inline(text: string, growing: boolean): readonly Node[] {
    const key = growing ? `+${text}` : `=${text}`;
    const nodes = this.used.get(key) ?? this.known.get(key) ?? parseInline(text, this.definitions, growing);
    this.used.set(key, nodes);
    return nodes;
  }
}

/** Arabic and Hebrew run from the right, wherever they stand. */
const AUTO = Object.freeze({ dir: 'auto' });
const TASK = Object.freeze({ dir: 'auto', class: 'markdown-task' });
const HTML = Object.freeze({ class: 'markdown-html' });

function checkbox(checked: boolean, label: string): Node {
  const name = label.trim().slice(0, 100);
  return element('input', [], { type: 'checkbox', disabled: '', 'aria-label': name, ...(checked ? { checked: '' } : {}) });
}

function alignment(align: 'center' | 'left' | 'right' | null): Record<string, string> {
  return align === null ? {} : { class: `markdown-${align}` };
}

/** The first word behind a fence. */
function language(info: string | undefined): string {
  return (info ?? '').trim().split(/[\s,{]/, 1)[0]!.slice(0, 40);
}

function isClosed(raw: string): boolean {
  const opening = /^ {0,3}(`{3,}|~{3,})/.exec(raw)?.[1];
  if (opening === undefined) return false;
  const lastLine = raw.trimEnd().split('\n').at(-1)!.trim();
  return raw.trimEnd().includes('\n') && lastLine.startsWith(opening) && /^(`+|~+)$/.test(lastLine);
}
