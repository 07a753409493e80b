import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { EventParser, readEvents } from './sse';

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

describe('readEvents', () => {
  const encoder = new TextEncoder();
  let asked: (string | null)[];

  beforeEach(() => {
    asked = [];
    vi.useFakeTimers();
    vi.stubGlobal('addEventListener', () => {});
    vi.stubGlobal('removeEventListener', () => {});
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  /** A server whose n-th line says these things at these seconds and then nothing. */
  function serve(...lines: [seconds: number, text: string][][]): void {
    vi.stubGlobal('fetch', (_url: string, { headers, signal }: RequestInit) => {
      asked.push((headers as Record<string, string>)['Last-Event-ID'] ?? null);
      const said = lines.shift() ?? [];
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const [seconds, text] of said) {
            setTimeout(() => signal!.aborted || controller.enqueue(encoder.encode(text)), seconds * 1000);
          }
          signal!.addEventListener('abort', () => controller.error(signal!.reason));
        },
      });
      return Promise.resolve(new Response(body));
    });
  }

  async function read(seconds: number): Promise<{ heard: string[]; broken: boolean[]; stop: AbortController }> {
    const [heard, broken, stop] = [[] as string[], [] as boolean[], new AbortController()];
    const options = { signal: stop.signal, onBroken: (is: boolean) => void broken.push(is) };
    readEvents('/events', { ...options, onEvent: ({ data }) => void heard.push(data) }).catch(() => {});
    await vi.advanceTimersByTimeAsync(seconds * 1000);
    return { heard, broken, stop };
  }

  it('leaves a line that has fallen silent, and goes on behind the last event', async () => {
    serve([[1, 'id: 7\ndata: one\n\n']], [[1, 'id: 8\ndata: two\n\n']]);
    const { heard, broken, stop } = await read(60);
    expect(heard).toEqual(['one', 'two']);
    expect(asked).toEqual([null, '7']);
    expect(broken).toEqual([true, false]);
    stop.abort();
  });

  it('leaves a server that does not answer at all', async () => {
    let tries = 0;
    vi.stubGlobal('fetch', (_url: string, { signal }: RequestInit) => {
      tries += 1;
      return new Promise((_resolve, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)));
    });
    const { stop } = await read(50);
    expect(tries).toBe(2);
    stop.abort();
  });

  it('stays while the server says that it is there', async () => {
    const comments = Array.from({ length: 20 }, (_, index): [number, string] => [15 * (index + 1), ': here\n\n']);
    serve(comments);
    const { broken, stop } = await read(300);
    expect(asked).toEqual([null]);
    expect(broken).toEqual([]);
    stop.abort();
  });
});
