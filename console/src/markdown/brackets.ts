/** Finds links and pictures among the brackets of a text. */
import type { Piece } from './emphasis';
import { resolve } from './emphasis';
import { unescape } from './entities';
import { append, plainText, type Node } from './nodes';
import { externalLink, externalPicture } from './references';

/** Addresses that a text defines apart (`[name]: address`), by their names in lower case. */
export type Definitions = ReadonlyMap<string, { destination: string; title: string }>;

interface Opening {
  /** Where it stands in the text, and in the list of pieces. */
  readonly at: number;
  readonly piece: number;
  readonly picture: boolean;
}

interface Target {
  destination: string;
  title: string;
  end: number;
}

const INLINE_TARGET =
  /\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.|\([^\s()]*\))*\))*))(?:\s+(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|\(((?:[^()\\]|\\.)*)\)))?\s*\)/y;
const HALF_TARGET = /\(\s*<?[^\s<>()]*(?:\([^\s()]*\)?[^\s()]*)*(?:\s+(?:["'][^"'\n]*["']?\s*)?)?$/y;
const NAME = /\[((?:[^[\]\\]|\\.){0,999})\]/y;
/** Openings that wait at the same time; more are text. */
const MOST = 100;

/** Stands for an address of which only a part has come. */
const UNKNOWN = '\u0000';

export class Brackets {
  private openings: Opening[] = [];

  constructor(
    private readonly text: string,
    private readonly pieces: Piece[],
    private readonly definitions: Definitions,
    private readonly growing: boolean,
  ) {}

  /** Takes `[` or `![`; says where the text goes on. */
  open(at: number, picture: boolean): number {
    if (this.openings.length >= MOST) this.openings.shift();
    this.openings.push({ at, piece: this.pieces.length, picture });
    this.pieces.push(picture ? '![' : '[');
    return at + (picture ? 2 : 1);
  }

  /** Takes `]`; says where the text goes on. */
  close(at: number): number {
    const opening = this.openings.pop();
    const target = opening && this.target(opening, at);
    if (!opening || !target) {
      this.pieces.push(']');
      return at + 1;
    }
    const label = unlinked(resolve(this.pieces.splice(opening.piece).slice(1), false));
    const source = this.text.slice(opening.at, target.end);
    if (target.destination === UNKNOWN) {
      this.pieces.push(...label);
    } else if (opening.picture) {
      this.pieces.push(...externalPicture(plainText(label), target.destination, target.title, source));
    } else {
      this.pieces.push(...externalLink(label, target.destination, target.title, source));
      this.openings = this.openings.filter((other) => other.picture);
    }
    return target.end;
  }

  private target(opening: Opening, at: number): Target | null {
    INLINE_TARGET.lastIndex = at + 1;
    const inline = this.text[at + 1] === '(' ? INLINE_TARGET.exec(this.text) : null;
    if (inline) {
      const title = inline[3] ?? inline[4] ?? inline[5] ?? '';
      return { destination: unescape(inline[1] ?? inline[2] ?? ''), title: unescape(title), end: INLINE_TARGET.lastIndex };
    }
    HALF_TARGET.lastIndex = at + 1;
    if (this.growing && HALF_TARGET.test(this.text)) return { destination: UNKNOWN, title: '', end: this.text.length };
    NAME.lastIndex = at + 1;
    const name = this.text[at + 1] === '[' ? NAME.exec(this.text)?.[1] : undefined;
    const label = this.text.slice(opening.at + (opening.picture ? 2 : 1), at);
    const defined = this.definitions.get(normalised(name || label));
    return defined ? { ...defined, end: name === undefined ? at + 1 : NAME.lastIndex } : null;
  }
}

/** The label of a link holds no other link: an address in it is text. */
function unlinked(label: readonly Node[]): Node[] {
  const nodes: Node[] = [];
  for (const node of label) {
    if (typeof node === 'string' || node.kind !== 'element') append(nodes, node);
    else if (node.tag === 'a') for (const child of unlinked(node.children)) append(nodes, child);
    else append(nodes, { ...node, children: unlinked(node.children) });
  }
  return nodes;
}

export function normalised(name: string): string {
  return name.trim().replace(/\s+/g, ' ').toLowerCase();
}
