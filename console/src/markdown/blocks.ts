/**
 * Cuts a text that grows into blocks (paragraphs, lists, tables, code …): those that nothing can change any more are
 * settled and never parsed again.
 */
import { Lexer, Marked, type Token, type Tokens, type TokenizerExtension } from 'marked';
import { normalised } from './brackets';
import { shownOf } from './tail';

export interface MathsToken extends Tokens.Generic {
  type: 'maths';
  raw: string;
  text: string;
  open: boolean;
}

const OPENING = /\n {0,3}(?:\$\$|\\\[)/;
const MATHS = /^ {0,3}(?:\$\$(?!\$)((?:[^$\\]|\\[\s\S]|\$(?!\$))+?)\$\$|\\\[((?:[^\\]|\\(?!\]))+?)\\\])[ \t]*[.,;。，；]?[ \t]*(?:\n|$)/;
const OPEN_MATHS = /^ {0,3}(?:\$\$(?!\$)(?![^\n]*\$\$)|\\\[(?![^\n]*\\\]))([\s\S]*)$/;

/** Whether the text that is parsed now may go on: read by the tokenizer below. */
let growing = false;

/** A formula that stands alone on its lines. Without an end it is one only as long as the text grows. */
const maths: TokenizerExtension = {
  name: 'maths',
  level: 'block',
  start(source: string) {
    const found = OPENING.exec(source);
    return found === null ? undefined : found.index + 1;
  },
  tokenizer(source: string): MathsToken | undefined {
    const whole = MATHS.exec(source);
    if (whole) {
      const text = (whole[1] ?? whole[2] ?? '').trim();
      return text === '' ? undefined : { type: 'maths', raw: whole[0], text, open: false };
    }
    const half = growing ? OPEN_MATHS.exec(source) : null;
    return half ? { type: 'maths', raw: half[0], text: half[1]!.trim(), open: true } : undefined;
  },
};

const OPTIONS = new Marked({ gfm: true }, { extensions: [maths] }).defaults;

export class Blocks {
  /** Blocks that stay as they are. */
  readonly settled: Token[] = [];
  /** What may still change, as it is to be shown now. */
  tail: Token[] = [];
  /** Link addresses defined so far. A new one changes what stands before it. */
  readonly definitions = new Map<string, { destination: string; title: string }>();
  definitionsChanged = false;

  private text = '';
  private settledText = 0;
  /** Up to here one has looked for blocks to settle. */
  private examined = 0;
  /** The settled definitions, and the source of all that count now. */
  private readonly defining: Tokens.Def[] = [];
  private defined = '';

  /** The text as it is now; false where it is not the last one with something added: then everything is new. */
  update(text: string, more: boolean): boolean {
    const source = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
    const goesOn = source.startsWith(this.text);
    if (!goesOn) this.forget();
    this.text = source;
    if (more) this.settle();
    const rest = source.slice(this.settledText);
    this.tail = parse(more ? shownOf(rest) : rest, more);
    this.define(more);
    return goesOn;
  }

  /** Settles every block with another one behind it that has at least one full line. */
  private settle(): void {
    const end = this.text.lastIndexOf('\n') + 1;
    if (end <= this.examined) return;
    this.examined = end;
    const tokens = parse(this.text.slice(this.settledText, end), true);
    let last = tokens.findLastIndex((token) => token.type !== 'space');
    // Should this formula never end, it is text, and goes on with the block right before it.
    if (last > 0 && (tokens[last] as MathsToken).open && tokens[last - 1]!.type !== 'space') last -= 1;
    const source = tokens.slice(0, Math.max(last, 0)).map((token) => token.raw).join('');
    // The parser gives every character back; should it once not, the rest is simply parsed again each time.
    if (source === '' || !this.text.startsWith(source, this.settledText)) return;
    this.settledText += source.length;
    const settled = parse(source, false);
    this.settled.push(...settled);
    this.defining.push(...settled.filter((token): token is Tokens.Def => token.type === 'def'));
  }

  /** Of two definitions of a name the first one counts; one that is still being written counts when it is complete. */
  private define(more: boolean): void {
    const last = more ? this.tail.at(-1) : undefined;
    const written = [...this.defining, ...this.tail.filter((token) => token !== last && token.type === 'def')] as Tokens.Def[];
    const defined = written.map((token) => token.raw).join('\n');
    this.definitionsChanged = defined !== this.defined;
    if (!this.definitionsChanged) return;
    this.defined = defined;
    this.definitions.clear();
    for (const { tag, href, title } of written) {
      const name = normalised(tag);
      if (!this.definitions.has(name)) this.definitions.set(name, { destination: href, title: title ?? '' });
    }
  }

  private forget(): void {
    this.settled.length = 0;
    this.settledText = this.examined = 0;
    this.defining.length = 0;
  }
}

/** Only blocks: what stands inside a line is parsed by a parser of our own, see inline.ts. */
function parse(source: string, more: boolean): Token[] {
  growing = more;
  try {
    return new Lexer(OPTIONS).blockTokens(source, []);
  } catch {
    // Nested too deep for the parser.
    return [{ type: 'code', raw: source, text: source, lang: '' } satisfies Tokens.Code];
  }
}
