/** Character references such as `&lt;` and `&#8212;`, as the text that they stand for. */

const NAMED: Readonly<Record<string, string>> = {
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', trade: '™', deg: '°', para: '¶', sect: '§',
  hellip: '…', mdash: '—', ndash: '–', bull: '•', middot: '·', times: '×', divide: '÷', plusmn: '±', minus: '−', ne: '≠', le: '≤',
  ge: '≥', asymp: '≈', infin: '∞', larr: '←', rarr: '→', uarr: '↑', darr: '↓', harr: '↔', euro: '€', pound: '£', yen: '¥', cent: '¢',
  lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”', laquo: '«', raquo: '»', frac12: '½', frac14: '¼', sup2: '²', sup3: '³', micro: 'µ',
  alpha: 'α', beta: 'β', gamma: 'γ', delta: 'δ', pi: 'π', sigma: 'σ', omega: 'ω', ensp: '\u2002', emsp: '\u2003', thinsp: '\u2009',
};

const REFERENCE = /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-zA-Z][a-zA-Z\d]{1,7}));/y;

/** The reference at `start`; null: the ampersand is one. */
export function referenceAt(text: string, start: number): { text: string; end: number } | null {
  REFERENCE.lastIndex = start;
  const found = REFERENCE.exec(text);
  if (found === null) return null;
  const [, decimal, hexadecimal, name] = found;
  const decoded = name !== undefined ? NAMED[name] : character(decimal ? parseInt(decimal, 10) : parseInt(hexadecimal!, 16));
  return decoded === undefined ? null : { text: decoded, end: REFERENCE.lastIndex };
}

function character(code: number): string {
  const allowed = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  return allowed ? String.fromCodePoint(code) : '\ufffd';
}

/** Text of a link's address or title: with its references and escapes resolved. */
export function unescape(text: string): string {
  return text.replace(/\\([!-/:-@[-`{-~])|&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[a-zA-Z][a-zA-Z\d]{1,7});/g, (whole, escaped?: string) =>
    escaped ?? referenceAt(whole, 0)?.text ?? whole,
  );
}
