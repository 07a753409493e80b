/**
 * What of a half-received text is shown: a last line of which one cannot yet say what it will be is kept back, and a
 * table is one from its first row on. So nothing appears as one thing and turns into another.
 */

/** Only signs so far: a bullet, a rule, a fence, the number of an item, the line under a heading… */
const ONLY_SIGNS = /^[\s>]*(?:[-*+]\s+|\d{1,9}[.)]\s+)*(?:#{1,6}|[-*+_=]+|\d{1,9}[.)]?|\|[\s|:-]*|\$\$?|\\[[(]?|[`~]{1,2}|>)?\s*$/;
/** The line of a fence, whose language is not complete. */
const FENCE = /^[\s>]*(?:[-*+]\s+|\d{1,9}[.)]\s+)*(?:`{3,}[^`]*|~{3,}.*)$/;
const ROW = /^ {0,3}\|.*\S/;

/** The text as it is to be parsed while more of it comes. */
export function shownOf(text: string): string {
  const start = text.lastIndexOf('\n') + 1;
  const line = text.slice(start);
  const kept = ONLY_SIGNS.test(line) || FENCE.test(line) ? text.slice(0, start) : text;
  return asTable(kept);
}

/** Where a text ends in what may be a table's first row, it gets the line below that makes it one. */
function asTable(text: string): string {
  const lines = text.trimEnd().split('\n');
  const last = lines.at(-1)!;
  if (!ROW.test(last) || ROW.test(lines.at(-2) ?? '') || /^\s*\|[\s|:-]*$/.test(last)) return text;
  const row = last.trimEnd();
  const closed = row.endsWith('|') && !row.endsWith('\\|') ? row : `${row} |`;
  const columns = closed.replace(/\\\|/g, '').split('|').length - 2;
  return [...lines.slice(0, -1), closed, `|${'---|'.repeat(columns)}`].join('\n') + '\n';
}
