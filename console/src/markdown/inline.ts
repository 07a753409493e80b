/** Parses the text of a paragraph, a heading or a cell: code, formulas, links, emphasis, line breaks. */
import { delimiterRun, resolve, type Piece } from './emphasis';
import { referenceAt } from './entities';
import { bareAddress } from './links';
import { Brackets, type Definitions } from './brackets';
import { mathsAt } from './maths';
import { element, type Node, type Tag } from './nodes';
import { externalLink } from './references';

/** HTML that answers use and that does nothing but look: made into elements. All other HTML is text. */
const TAGS: ReadonlySet<string> = new Set(['b', 'del', 'em', 'i', 'ins', 'kbd', 'mark', 'q', 's', 'small', 'strong', 'sub', 'sup', 'u']);
const ALIASES: Readonly<Record<string, Tag>> = { b: 'strong', i: 'em' };
const TAG = /<(\/?)([a-z]{1,6})\s*(\/?)>/iy;
const AUTOLINK = /<((?:https?|mailto):[^\s<>]*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)>/iy;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const SPECIAL = /[\\`*_~$<&![\]\n]|https?:\/\/|www\./gi;

/** With `growing`, the text may go on: signs without a partner are taken as if it were still to come. */
export function parseInline(text: string, definitions: Definitions, growing = false): Node[] {
  return new InlineParser(growing ? withoutHalfSign(text) : text, definitions, growing).parse();
}

/** Signs at the very end of a text that still grows mean nothing until one sees what follows. */
function withoutHalfSign(text: string): string {
  return text.replace(/(?:[*_~`$\\![]+|<\/?[a-z]{0,6}|&#?\w{0,8})$/i, '');
}

class InlineParser {
  private readonly pieces: Piece[] = [];
  private readonly brackets: Brackets;
  private at = 0;

  constructor(
    private readonly text: string,
    definitions: Definitions,
    private readonly growing: boolean,
  ) {
    this.brackets = new Brackets(text, this.pieces, definitions, growing);
  }

  parse(): Node[] {
    const { text, pieces } = this;
    while (this.at < text.length) {
      SPECIAL.lastIndex = this.at;
      const next = SPECIAL.exec(text)?.index ?? text.length;
      if (next > this.at) pieces.push(text.slice(this.at, next));
      this.at = next;
      if (next < text.length) this.special(text[next]!);
    }
    return resolve(pieces, this.growing);
  }

  private special(sign: string): void {
    switch (sign) {
      case '\n':
        return this.lineBreak(1);
      case '\\':
        if (!this.formula()) this.escape();
        return;
      case '$':
        if (!this.formula()) this.literal(1);
        return;
      case '`':
        return this.code();
      case '*':
      case '_':
      case '~':
        return this.emphasis();
      case '<':
        return this.angle();
      case '&':
        return this.reference();
      case '!':
        if (this.text[this.at + 1] !== '[') return this.literal(1);
        this.at = this.brackets.open(this.at, true);
        return;
      case '[':
        this.at = this.brackets.open(this.at, false);
        return;
      case ']':
        this.at = this.brackets.close(this.at);
        return;
      default:
        return this.address();
    }
  }

  private literal(length: number): void {
    this.pieces.push(this.text.slice(this.at, this.at + length));
    this.at += length;
  }

  /** Every line break of an answer is one: models write verses, addresses and Chinese that way. */
  private lineBreak(length: number): void {
    const last = this.pieces.length - 1;
    const before = this.pieces[last];
    if (typeof before === 'string') this.pieces[last] = before.replace(/ +$/, '');
    this.at += length;
    while (this.text[this.at] === ' ') this.at++;
    if (this.at < this.text.length) this.pieces.push(element('br'));
  }

  private escape(): void {
    const next = this.text[this.at + 1] ?? '';
    if (next === '\n') return this.lineBreak(2);
    if (!ESCAPABLE.test(next)) return this.literal(1);
    this.pieces.push(next);
    this.at += 2;
  }

  private formula(): boolean {
    const found = mathsAt(this.text, this.at, this.growing);
    if (found === null) return false;
    this.pieces.push({ kind: 'formula', source: found.source.trim(), display: found.display, open: found.open });
    this.at = found.end;
    return true;
  }

  private code(): void {
    let end = this.at;
    while (this.text[end] === '`') end++;
    const ticks = this.text.slice(this.at, end);
    const close = closingTicks(this.text, ticks.length, end);
    if (close < 0 && !this.growing) return this.literal(ticks.length);
    const inside = this.text.slice(end, close < 0 ? this.text.length : close).replace(/\n/g, ' ');
    const padded = inside.length > 2 && inside.startsWith(' ') && inside.endsWith(' ') && inside.trim() !== '';
    this.pieces.push(element('code', [padded ? inside.slice(1, -1) : inside]));
    this.at = close < 0 ? this.text.length : close + ticks.length;
  }

  private emphasis(): void {
    const run = delimiterRun(this.text, this.at);
    this.pieces.push(run);
    this.at += run.length;
  }

  private angle(): void {
    AUTOLINK.lastIndex = this.at;
    const link = AUTOLINK.exec(this.text);
    if (link) {
      const address = link[1]!;
      this.pieces.push(...externalLink([address], /^(https?|mailto):/i.test(address) ? address : `mailto:${address}`, '', link[0]));
      this.at = AUTOLINK.lastIndex;
      return;
    }
    TAG.lastIndex = this.at;
    const tag = TAG.exec(this.text);
    const name = tag?.[2]!.toLowerCase() ?? '';
    if (tag && name === 'br') {
      this.pieces.push(element('br'));
      this.at = TAG.lastIndex;
    } else if (tag && TAGS.has(name) && tag[3] === '') {
      const sign = `<${ALIASES[name] ?? name}`;
      const closing = tag[1] === '/';
      this.pieces.push({ kind: 'delimiter', sign, text: tag[0], count: 1, length: 1, opens: !closing, closes: closing, reaches: true });
      this.at = TAG.lastIndex;
    } else {
      this.literal(1);
    }
  }

  private reference(): void {
    const found = referenceAt(this.text, this.at);
    if (found === null) return this.literal(1);
    this.pieces.push(found.text);
    this.at = found.end;
  }

  private address(): void {
    const before = this.text[this.at - 1] ?? ' ';
    const address = /[a-z0-9]/i.test(before) ? null : bareAddress(this.text, this.at);
    if (address === null) return this.literal(1);
    this.pieces.push(...externalLink([address], /^www/i.test(address) ? `https://${address}` : address, '', address));
    this.at += address.length;
  }
}

/** Where a run of exactly `count` backticks begins, at or behind `from`; -1: nowhere. */
function closingTicks(text: string, count: number, from: number): number {
  for (let at = text.indexOf('`', from); at >= 0; ) {
    let end = at;
    while (text[end] === '`') end++;
    if (end - at === count) return at;
    at = text.indexOf('`', end);
  }
  return -1;
}
