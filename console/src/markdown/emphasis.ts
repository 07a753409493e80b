/**
 * Resolves `*`, `_`, `~~` and simple HTML tags in a line of pieces, by CommonMark's rules for delimiter runs; between
 * characters of Chinese, Japanese and Korean, which write no spaces, emphasis may begin and end beside punctuation.
 */
import { append, element, plainText, type Node, type Tag } from './nodes';

/** A run of emphasis signs, or an HTML tag, whose partner is still to be found. */
export interface Delimiter {
  readonly kind: 'delimiter';
  /** `*`, `_`, `~`, or the name of an HTML tag. */
  readonly sign: string;
  /** What it is as text. */
  readonly text: string;
  count: number;
  readonly length: number;
  readonly opens: boolean;
  readonly closes: boolean;
  /** Without a partner it reaches to the end of a text that still grows. */
  readonly reaches: boolean;
}

export type Piece = Node | Delimiter;

/** So many openers wait for a partner at most, and longer runs of signs are text: what comes out is never deep. */
const DEEPEST = 40;
const LONGEST_RUN = 6;

const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\u3000-\u303f\ufe30-\ufe4f\uff00-\uffef]/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;

export function delimiterRun(text: string, start: number): Delimiter {
  const sign = text[start]!;
  let end = start + 1;
  while (text[end] === sign) end++;
  const before = characterBefore(text, start);
  const after = end < text.length ? String.fromCodePoint(text.codePointAt(end)!) : ' ';
  const spaceBefore = /\s/.test(before);
  const spaceAfter = /\s/.test(after);
  const cjkBefore = CJK.test(before);
  const cjkAfter = CJK.test(after);
  const signBefore = PUNCTUATION.test(before) && !cjkBefore;
  const signAfter = PUNCTUATION.test(after) && !cjkAfter;
  const left = !spaceAfter && (!signAfter || spaceBefore || signBefore || cjkBefore);
  const right = !spaceBefore && (!signBefore || spaceAfter || signAfter || cjkAfter);
  const count = end - start;
  const usable = sign === '~' ? count === 2 : count <= LONGEST_RUN;
  const word = sign === '_';
  return {
    kind: 'delimiter', sign, text: text.slice(start, end), count, length: count,
    opens: usable && left && (!word || !right || PUNCTUATION.test(before)),
    closes: usable && right && (!word || !left || PUNCTUATION.test(after)),
    reaches: !/[\p{L}\p{N}]/u.test(before) || cjkBefore,
  };
}

function characterBefore(text: string, at: number): string {
  if (at === 0) return ' ';
  const unit = text.charCodeAt(at - 1);
  return unit >= 0xdc00 && unit <= 0xdfff && at > 1 ? text.slice(at - 2, at) : text[at - 1]!;
}

interface Frame {
  delimiter: Delimiter | null;
  children: Node[];
}

/** With `growing`, openers without a partner hold to the end: the rest of the text is on its way. */
export function resolve(pieces: readonly Piece[], growing: boolean): Node[] {
  const frames: Frame[] = [{ delimiter: null, children: [] }];
  for (const piece of pieces) {
    if (typeof piece === 'string' || piece.kind !== 'delimiter') {
      append(frames.at(-1)!.children, piece);
      continue;
    }
    if (piece.closes) close(frames, piece);
    if (piece.count === 0) continue;
    if (piece.opens) open(frames, piece);
    else append(frames.at(-1)!.children, remainder(piece));
  }
  while (frames.length > 1) {
    const { delimiter, children } = frames.at(-1)!;
    const reaches = growing && delimiter!.reaches;
    if (reaches && children.length === 0) frames.pop();
    else if (reaches) while (delimiter!.count > 0) wrap(frames, delimiter!);
    else collapse(frames, frames.length - 1);
  }
  return frames[0]!.children;
}

/** Where too many openers wait for a partner, the first of them has waited in vain. */
function open(frames: Frame[], delimiter: Delimiter): void {
  if (frames.length > DEEPEST) collapse(frames, 1);
  frames.push({ delimiter, children: [] });
}

/** Pairs a closer with the openers before it, as often as it has signs left. */
function close(frames: Frame[], closer: Delimiter): void {
  while (closer.count > 0) {
    let at = frames.length - 1;
    while (at > 0 && !matches(frames[at]!.delimiter!, closer)) at--;
    if (at === 0) return;
    while (frames.length - 1 > at) collapse(frames, frames.length - 1);
    closer.count -= wrap(frames, closer);
  }
}

function matches(opener: Delimiter, closer: Delimiter): boolean {
  if (opener.sign !== closer.sign) return false;
  if (opener.sign !== '*' && opener.sign !== '_') return true;
  const both = opener.closes || closer.opens;
  return !both || (opener.length + closer.length) % 3 !== 0 || (opener.length % 3 === 0 && closer.length % 3 === 0);
}

/** Makes an element of what stands behind the last opener; says how many of its signs that took. */
function wrap(frames: Frame[], closer: Delimiter): number {
  const frame = frames.at(-1)!;
  const opener = frame.delimiter!;
  const double = opener.sign === '~' || (opener.count >= 2 && closer.count >= 2);
  const used = double ? 2 : 1;
  const made = emphasised(tagOf(opener.sign, used), frame.children);
  opener.count -= used;
  if (opener.count > 0) {
    frame.children = [made];
  } else {
    frames.pop();
    append(frames.at(-1)!.children, made);
  }
  return used;
}

/** Slanted Chinese characters are none: their emphasis gets a look of its own. */
function emphasised(tag: Tag, children: readonly Node[]): Node {
  return tag === 'em' && CJK.test(plainText(children)) ? element(tag, children, CJK_EMPHASIS) : element(tag, children);
}

const CJK_EMPHASIS = Object.freeze({ class: 'markdown-cjk' });

function tagOf(sign: string, used: number): Tag {
  if (sign === '~') return 'del';
  if (sign === '*' || sign === '_') return used === 2 ? 'strong' : 'em';
  return sign.slice(1) as Tag;
}

/** Gives a frame up: its opener is text. */
function collapse(frames: Frame[], at: number): void {
  const [frame] = frames.splice(at, 1);
  const below = frames[at - 1]!.children;
  append(below, remainder(frame!.delimiter!));
  for (const child of frame!.children) append(below, child);
}

/** The signs of a run that found no partner; a tag has one sign, its whole text. */
function remainder(delimiter: Delimiter): string {
  return delimiter.sign.length > 1 ? delimiter.text : delimiter.sign.repeat(delimiter.count);
}
