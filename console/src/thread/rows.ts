/** The rows of a thread: what the user said, and answers with the results of the tools that they called. */
import type { Message } from '../api/types';

export interface Row {
  readonly message: Message;
  /** Results by the call that they answer. */
  readonly results: ReadonlyMap<string, Message>;
  /** A guess of its height in pixels, for as long as it has not been drawn. */
  readonly height: number;
}

const NO_RESULTS: ReadonlyMap<string, Message> = new Map();
const LINE = 26;
const CHARACTERS_IN_LINE = 84;

/** Rows of messages that have not changed stay the same objects. */
export class Rows {
  private known = new Map<Message, Row>();

  of(messages: readonly Message[]): Row[] {
    const rows: Row[] = [];
    const now = new Map<Message, Row>();
    messages.forEach((message, index) => {
      if (message.role === 'tool') return;
      const results = resultsBehind(messages, index);
      const before = this.known.get(message);
      const row = before && sameResults(before.results, results) ? before : { message, results, height: guess(message) };
      now.set(message, row);
      rows.push(row);
    });
    this.known = now;
    return rows;
  }
}

function resultsBehind(messages: readonly Message[], index: number): ReadonlyMap<string, Message> {
  if (messages[index + 1]?.role !== 'tool') return NO_RESULTS;
  const results = new Map<string, Message>();
  for (let at = index + 1; messages[at]?.role === 'tool'; at++) {
    const result = messages[at]!;
    if (result.tool_call_id !== null) results.set(result.tool_call_id, result);
  }
  return results;
}

function sameResults(before: ReadonlyMap<string, Message>, now: ReadonlyMap<string, Message>): boolean {
  return before.size === now.size && [...now].every(([id, result]) => before.get(id) === result);
}

function guess(message: Message): number {
  // A running answer grows, and is drawn anyway: its text is not read here.
  if (message.status === 'running') return 200;
  let lines = 0;
  for (const line of message.content.split('\n')) lines += 1 + Math.floor(line.length / CHARACTERS_IN_LINE);
  return (message.role === 'user' ? 56 : 72) + lines * LINE + (message.attachments.length > 0 ? 40 : 0);
}
