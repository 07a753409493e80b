/** Server-sent events over fetch: with our headers, and taken up again behind the last event when the line breaks. */
import { ApiFailure, request, type Query } from './client';

export interface ServerEvent {
  id: string | null;
  event: string;
  data: string;
}

/** Parses the text of a stream, which comes in pieces that end anywhere. */
export class EventParser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #id: string | null = null;
  /** Seconds before the next try, where the server names them. */
  retry: number | null = null;

  *feed(text: string): Generator<ServerEvent> {
    this.#rest += text;
    // A lone \r at the end may be half of \r\n.
    const held = this.#rest.endsWith('\r') ? '\r' : '';
    const lines = (held ? this.#rest.slice(0, -1) : this.#rest).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? '') + held;
    for (const line of lines) {
      if (line) this.#field(line);
      else if (this.#data.length) {
        yield { id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') };
        this.#event = '';
        this.#data = [];
      }
    }
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id') this.#id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value) / 1000;
  }
}

export interface StreamOptions {
  query?: Query;
  signal?: AbortSignal;
  /** True ends the stream: the event was the last one. */
  onEvent: (event: ServerEvent) => boolean | void;
  /** Whether the line is broken now and will be tried again. */
  onBroken?: (broken: boolean) => void;
}

const WAITS = [0.25, 0.5, 1, 2, 4, 8];
/** The server sends a comment every 15 seconds: a line that is silent for longer is dead, though nothing says so. */
const SILENCE_MS = 45_000;

/**
 * Reads events until `onEvent` says it was the last one, taking the stream up again (`Last-Event-ID`) as often as the
 * line breaks or falls silent. Throws `ApiFailure` where the server refuses, and the signal's reason when that is aborted.
 */
export async function readEvents(path: string, options: StreamOptions): Promise<void> {
  const { query, signal, onEvent, onBroken } = options;
  let last: string | null = null;
  let failures = 0;
  for (;;) {
    const parser = new EventParser();
    const watch = new Watchdog();
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      if (last !== null) headers['Last-Event-ID'] = last;
      const either = signal ? AbortSignal.any([signal, watch.signal]) : watch.signal;
      const response = await request('GET', path, { query, signal: either, headers });
      if (failures) onBroken?.(false);
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      try {
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          watch.heard();
          failures = 0;
          for (const event of parser.feed(value)) {
            last = event.id ?? last;
            if (onEvent(event)) return;
          }
        }
      } finally {
        void reader.cancel().catch(() => {});
      }
    } catch (error) {
      if (signal?.aborted) throw error;
      const refused = error instanceof ApiFailure && error.status >= 400 && error.status < 500 && error.status !== 429;
      if (refused) throw error;
    } finally {
      watch.end();
    }
    onBroken?.(true);
    await pause(parser.retry ?? WAITS[Math.min(failures, WAITS.length - 1)]!, signal);
    failures += 1;
  }
}

/** Aborts its signal when nothing was heard for too long. */
class Watchdog {
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.heard();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    this.end();
    this.#timer = setTimeout(() => this.#controller.abort(), SILENCE_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** Waits, at most until the browser is online again or the signal ends it. */
function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (action: () => void) => () => {
      clearTimeout(timer);
      removeEventListener('online', finish);
      signal?.removeEventListener('abort', abort);
      action();
    };
    const finish = end(resolve);
    const abort = end(() => reject(signal?.reason));
    const timer = setTimeout(finish, seconds * 1000);
    addEventListener('online', finish);
    signal?.addEventListener('abort', abort);
  });
}
