/** Which addresses an answer may link to, and where an address in running text ends. */

const OPENABLE = new Set(['http:', 'https:', 'mailto:']);
/** Characters that text uses to mislead about what an address is: controls, and those that turn the direction of text. */
const MISLEADING = /[\u0000-\u0020\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

/** The address in full where it may be opened by a click, else null. Relative ones would lead into the console itself. */
export function openable(destination: string): string | null {
  const address = destination.trim();
  if (MISLEADING.test(address) || address.includes('\\') || !/^[a-z]+:/i.test(address)) return null;
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (!OPENABLE.has(url.protocol)) return null;
  // A name and password in front of the host is only ever used to look like another host.
  if (url.username || url.password) return null;
  return url.href;
}

/** The host that a link leads to, where its label claims another one; else null. */
export function betrayedHost(label: string, address: string): string | null {
  const claimed = /^\s*(?:https?:\/\/)?((?:[\p{L}\p{N}-]+\.)+\p{L}{2,})(?=[/:?#\s]|$)/iu.exec(label)?.[1];
  if (claimed === undefined) return null;
  const url = new URL(address);
  if (url.protocol === 'mailto:') return null;
  const bare = (host: string): string => host.toLowerCase().replace(/^www\./, '');
  let host: string;
  try {
    host = new URL(`http://${claimed}`).hostname;
  } catch {
    return url.host;
  }
  // "notes.md" or "node.js" is no host; only what the reader would take for one counts.
  if (!/^\s*https?:/i.test(label) && !/\.(com|org|net|io|cn|dev|gov|edu|co|ai|app|info|me|uk|de|jp|eu|hk|tw)$/i.test(host)) return null;
  return bare(host) === bare(url.hostname) ? null : url.host;
}

const BARE = /(?:https?:\/\/|www\.)[\w!#$%&'()*+,./:;=?@~-]+/iy;

/** The address that begins at `start` in running text, without the punctuation behind it; null: none does. */
export function bareAddress(text: string, start: number): string | null {
  BARE.lastIndex = start;
  let address = BARE.exec(text)?.[0];
  if (address === undefined) return null;
  for (;;) {
    const last = address.at(-1)!;
    if ('?!.,:;*_~\'"'.includes(last)) address = address.slice(0, -1);
    else if (last === ')' && count(address, ')') > count(address, '(')) address = address.slice(0, -1);
    else break;
  }
  return /^(?:https?:\/\/|www\.)[\w-]/i.test(address) && (/^www/i.test(address) ? address.split('.').length > 2 : true) ? address : null;
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}
