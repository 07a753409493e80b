/** Where formulas begin and end in running text: `$…$`, `$$…$$`, `\(…\)` and `\[…\]`; money stays text. */

export interface MathsSpan {
  source: string;
  display: boolean;
  /** Behind the closing sign. */
  end: number;
  /** The closing sign has not come yet. */
  open: boolean;
}

/** Longer "formulas" are text in which two signs happened to stand. */
const LONGEST_INLINE = 1000;
const WORD_CHARACTER = /[\p{L}\p{N}]/u;

/**
 * The formula that begins at `start`; null: there is none. With `growing`, text that may still go on counts as open
 * where its sign leaves no doubt: a lone `$` does.
 */
export function mathsAt(text: string, start: number, growing: boolean): MathsSpan | null {
  if (text[start] === '\\') {
    if (text[start + 1] === '(') return between(text, start, '\\(', '\\)', false, growing);
    if (text[start + 1] === '[') return bracketed(text, start, growing);
    return null;
  }
  if (text[start + 1] === '$') return between(text, start, '$$', '$$', true, growing);
  return dollars(text, start);
}

function between(text: string, start: number, opening: string, closing: string, display: boolean, growing: boolean): MathsSpan | null {
  const from = start + opening.length;
  const end = unescaped(text, closing, from);
  if (end < 0) {
    const rest = text.slice(from);
    return growing && !rest.startsWith('$') ? { source: rest, display, end: text.length, open: true } : null;
  }
  const source = text.slice(from, end);
  if (source.trim() === '' || (!display && source.length > LONGEST_INLINE)) return null;
  return { source, display, end: end + closing.length, open: false };
}

/** `\[` is also how a plain bracket is written: only what looks like a formula is one. */
function bracketed(text: string, start: number, growing: boolean): MathsSpan | null {
  const found = between(text, start, '\\[', '\\]', true, growing);
  return found && (found.open || /[=<>^_+*/]|\\[a-zA-Z]|^\s*\p{L}\s*$/u.test(found.source)) ? found : null;
}

function dollars(text: string, start: number): MathsSpan | null {
  const before = text[start - 1] ?? ' ';
  const first = text[start + 1] ?? ' ';
  // Letters of a script without spaces may stand before a formula, those of "US$5" may not.
  if (/[\w$\\]/.test(before) || /\s/.test(first)) return null;
  const end = unescaped(text, '$', start + 1);
  if (end < 0 || end - start > LONGEST_INLINE) return null;
  const source = text.slice(start + 1, end);
  const after = text[end + 1] ?? ' ';
  if (/\s$/.test(source) || /[\w$]/.test(after) || /\n\s*\n/.test(source)) return null;
  return isMoney(source) ? null : { source, display: false, end: end + 1, open: false };
}

/** "$5 or 10$", "$5，售价 10$": a number followed by words that no formula has. */
function isMoney(source: string): boolean {
  if (!/^[\d.,]/.test(source)) return false;
  const bare = source.replace(/\\[a-zA-Z]+(\{[^{}]*\})?/g, '');
  return /[a-zA-Z]{2,}/.test(bare) || (!source.includes('\\') && [...bare].some((c) => c > '\u2e80' && WORD_CHARACTER.test(c)));
}

/** The first `sign` at or behind `from` that no backslash takes away. */
function unescaped(text: string, sign: string, from: number): number {
  for (let at = text.indexOf(sign, from); at >= 0; at = text.indexOf(sign, at + 1)) {
    let slashes = 0;
    while (at - slashes > from && text[at - slashes - 1] === '\\') slashes++;
    if (slashes % 2 === 0) return at;
  }
  return -1;
}
