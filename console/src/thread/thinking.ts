/** Parts an answer into what the model thought first (between `<think>` tags) and what it says. */

export interface Parts {
  /** Null: it did not think aloud. */
  thinking: string | null;
  /** It has stopped thinking. */
  thought: boolean;
  answer: string;
}

const OPENING = /^\s*<think(?:ing)?>\n?/;
const CLOSING = /\n?<\/think(?:ing)?>\s*/;
/** A tag of which only a part has come. */
const HALF_OPENING = /^\s*<(?:t(?:h(?:i(?:n(?:k(?:i(?:n(?:g)?)?)?)?)?)?)?)?$/;

export function partsOf(content: string, running: boolean): Parts {
  const opening = OPENING.exec(content);
  const closing = CLOSING.exec(content);
  if (opening === null && closing === null) {
    return { thinking: null, thought: true, answer: running && HALF_OPENING.test(content) ? '' : content };
  }
  // Some models' templates write the opening tag into the prompt: then only the closing one is in the answer.
  const start = opening?.[0].length ?? 0;
  if (closing === null) return { thinking: content.slice(start).replace(/\n?<\/?t?h?i?n?k?$/, ''), thought: !running, answer: '' };
  const thinking = content.slice(start, closing.index).trim();
  const answer = content.slice(closing.index + closing[0].length);
  return { thinking: thinking === '' ? null : thinking, thought: true, answer };
}
