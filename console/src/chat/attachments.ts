/** Text files that go into the prompt: read in the page, and refused where they hold no text. */

import type { Attachment } from '../api/types';

/** About a quarter of a million tokens: more than any model here reads at once. */
export const LARGEST_FILE = 1_000_000;
export const MOST_FILES = 20;

export type Refusal = 'model' | 'too_large' | 'binary' | 'empty' | 'too_many' | 'unreadable';

export interface Read {
  attached: Attachment[];
  refused: { name: string; reason: Refusal }[];
}

const BYTE_ORDER_MARKS: [number[], string][] = [
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
];

/** The text of a file's bytes, or null where they are none. UTF-8, UTF-16 with its mark, or GB18030. */
export function decodeText(bytes: Uint8Array): string | null {
  for (const [mark, encoding] of BYTE_ORDER_MARKS) {
    if (mark.every((byte, at) => bytes[at] === byte)) return strictly(bytes, encoding);
  }
  if (bytes.includes(0)) return null;
  const text = strictly(bytes, 'utf-8') ?? strictly(bytes, 'gb18030');
  return text !== null && isReadable(text) ? text : null;
}

function strictly(bytes: Uint8Array, encoding: string): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Binary data without a zero byte may pass as GB18030: control characters give it away. */
function isReadable(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  const controls = text.match(/[\u0001-\u0008\u000e-\u001a\u001c-\u001f\u007f\ufffd\ue000-\uf8ff]/g);
  return (controls?.length ?? 0) <= text.length / 100;
}

export async function readFiles(files: Iterable<File>, already: number): Promise<Read> {
  const read: Read = { attached: [], refused: [] };
  for (const file of files) {
    const refuse = (reason: Refusal) => read.refused.push({ name: file.name, reason });
    if (already + read.attached.length >= MOST_FILES) {
      refuse('too_many');
    } else if (/\.gguf$/i.test(file.name)) {
      refuse('model');
    } else if (file.size > LARGEST_FILE) {
      refuse('too_large');
    } else if (file.size === 0) {
      refuse('empty');
    } else {
      try {
        const text = decodeText(new Uint8Array(await file.arrayBuffer()));
        if (text === null) refuse('binary');
        else read.attached.push({ name: file.name, text });
      } catch {
        // A folder that was dropped, or a file that has gone since.
        refuse('unreadable');
      }
    }
  }
  return read;
}
