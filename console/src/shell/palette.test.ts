import { describe, expect, it } from 'vitest';

import type { ChatSummary } from '../api/types';
import { chatChoices } from './palette';

const chat = (id: string, title: string): ChatSummary => ({
  id,
  title,
  titled: true,
  model: null,
  pinned: false,
  folder_id: null,
  created_at: 0,
  updated_at: 0,
});

describe('chatChoices', () => {
  const known = [chat('a', 'Prime numbers'), chat('b', '杭州的景点'), chat('c', '')];

  it('offers the latest chats while nothing is typed', () => {
    const choices = chatChoices('', known, [], 2, 'Untitled');
    expect(choices.map(({ path }) => path)).toEqual(['/chat/a', '/chat/b']);
  });

  it('offers titles at once, each chat once, and leads to the message that was found', () => {
    const hit = { chat: known[0]!, message_id: 'm', role: 'user' as const, snippet: 'a \u0002prime\u0003' };
    expect(chatChoices('prime', known, [], 5, 'Untitled').map(({ key }) => key)).toEqual(['a']);
    const [choice, ...others] = chatChoices('prime', known, [hit], 5, 'Untitled');
    expect(choice).toMatchObject({ path: '/chat/a?message=m', title: 'Prime numbers', snippet: hit.snippet });
    expect(others).toEqual([]);
  });

  it('has a name for what has no title', () => {
    const hit = { chat: known[2]!, message_id: 'm', role: 'user' as const, snippet: 'x' };
    expect(chatChoices('x', known, [hit], 5, 'Untitled')[0]?.title).toBe('Untitled');
  });
});
