import { describe, expect, it } from 'vitest';

import { EventParser } from './sse';

const STREAM = ': hello\nid: 1\ndata: {"a":1}\n\nevent: note\r\nid: 2\r\ndata: one\r\ndata: two\r\n\r\nretry: 1500\ndata:bare\n\n';
const EVENTS = [
  { id: '1', event: 'message', data: '{"a":1}' },
  { id: '2', event: 'note', data: 'one\ntwo' },
  { id: '2', event: 'message', data: 'bare' },
];

describe('EventParser', () => {
  it('reads events, comments, names and waits', () => {
    const parser = new EventParser();
    expect([...parser.feed(STREAM)]).toEqual(EVENTS);
    expect(parser.retry).toBe(1.5);
  });

  it('reads the same wherever the pieces end', () => {
    for (let size = 1; size < 12; size += 1) {
      const parser = new EventParser();
      const pieces = STREAM.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? [];
      expect(pieces.flatMap((piece) => [...parser.feed(piece)])).toEqual(EVENTS);
    }
  });
});
