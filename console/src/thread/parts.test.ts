/** Thoughts are told from answers, JSON from text, and rows stay the same as long as their messages do. */
import { describe, expect, it } from 'vitest';

import type { Message } from '../api/types';
import { laidOut, looksLikeJson } from './json_text';
import { Rows } from './rows';
import { partsOf } from './thinking';

function message(id: string, role: Message['role'], more: Partial<Message> = {}): Message {
  return {
    id, role, content: id, parent_id: null, attachments: [], tool_calls: [], tool_call_id: null, model: null, status: 'complete',
    finish_reason: null, error: null, figures: null, valid: null, created_at: 0, ...more,
  };
}

describe('thoughts', () => {
  it('stand before the answer', () => {
    expect(partsOf('<think>\nhm\n</think>\n\nYes.', false)).toEqual({ thinking: 'hm', thought: true, answer: 'Yes.' });
  });

  it('may have begun in the prompt', () => {
    expect(partsOf('hm\n</think>\n\nYes.', false)).toEqual({ thinking: 'hm', thought: true, answer: 'Yes.' });
  });

  it('are no answer while they go on', () => {
    expect(partsOf('<think>hm, let me see</thi', true)).toEqual({ thinking: 'hm, let me see', thought: false, answer: '' });
    expect(partsOf('<thi', true).answer).toBe('');
  });

  it('are not shown where there are none', () => {
    expect(partsOf('<think>\n\n</think>\n\nYes.', false)).toEqual({ thinking: null, thought: true, answer: 'Yes.' });
    expect(partsOf('I think <b>so</b>.', false).answer).toBe('I think <b>so</b>.');
  });
});

describe('JSON', () => {
  it('is laid out', () => expect(laidOut('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}'));
  it.each(['[a link](https://b.c)', 'text', '12', '{x}', '{{template}}'])('is not %j', (text) => expect(laidOut(text)).toBeNull());
  it('is seen from its first sign on', () => {
    expect(looksLikeJson('{')).toBe(true);
    expect(looksLikeJson('[link')).toBe(false);
  });
});

describe('rows', () => {
  it('hold the results of the tools that an answer called', () => {
    const messages = [message('q', 'user'), message('a', 'assistant'), message('r', 'tool', { tool_call_id: 'c' }), message('b', 'assistant')];
    const rows = new Rows().of(messages);
    expect(rows.map((row) => row.message.id)).toEqual(['q', 'a', 'b']);
    expect(rows[1]!.results.get('c')).toBe(messages[2]);
  });

  it('stay the same objects', () => {
    const rows = new Rows();
    const messages = [message('q', 'user'), message('a', 'assistant')];
    const before = rows.of(messages);
    const now = rows.of([...messages, message('n', 'user')]);
    expect(now.slice(0, 2).every((row, index) => row === before[index])).toBe(true);
  });
});
