/** Takes apart the text around what a search found, so that it is shown as text and never as HTML. */

export interface Piece {
  text: string;
  found: boolean;
}

const BEGIN = '\u0002';
const END = '\u0003';
/** Of Markdown: in a few words they say nothing. */
const SIGNS = /\*\*|```\w*|`/g;

/** The pieces of a snippet; marks without a partner end with the snippet. */
export function pieces(snippet: string): Piece[] {
  const result: Piece[] = [];
  const add = (text: string, found: boolean) => {
    if (text) result.push({ text: text.replaceAll(BEGIN, '').replaceAll(END, '').replace(SIGNS, ''), found });
  };
  let rest = snippet;
  while (rest) {
    const begin = rest.indexOf(BEGIN);
    if (begin < 0) break;
    add(rest.slice(0, begin), false);
    const end = rest.indexOf(END, begin);
    add(rest.slice(begin + 1, end < 0 ? undefined : end), true);
    rest = end < 0 ? '' : rest.slice(end + 1);
  }
  add(rest, false);
  return result;
}
