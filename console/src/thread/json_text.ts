/** Tells answers that are JSON from those that are text, and lays JSON out. */

const LIKE_JSON = /^\s*(?:\{\s*(?:["}]|$)|\[\s*(?:[[{"\d]|$))/;

/** Whether an answer of which a part has come will be JSON, as far as one can see. */
export function looksLikeJson(text: string): boolean {
  return LIKE_JSON.test(text);
}

/** The JSON of a whole text, with one thing a line; null: it is none, or not an object or a list. */
export function laidOut(text: string): string | null {
  if (!looksLikeJson(text)) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? JSON.stringify(value, null, 2) : null;
  } catch {
    return null;
  }
}
