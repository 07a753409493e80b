import { expect, test } from 'vitest';
import type { Message } from '../api/types';
import { MessageTree } from './tree';

const message = (id: string, parent_id: string | null) => ({ id, parent_id, role: 'user' }) as Message;
const tree = new MessageTree([
  message('q', null),
  message('a1', 'q'),
  message('a2', 'q'),
  message('q2', 'a1'),
  message('a3', 'q2'),
  message('other', null),
]);
const ids = (messages: Message[]) => messages.map(({ id }) => id);

test('a path leads from the root to the leaf', () => {
  expect(ids(tree.path('a3'))).toEqual(['q', 'a1', 'q2', 'a3']);
  expect(tree.path(null)).toEqual([]);
});

test('a branch ends at its newest message', () => {
  expect(tree.leafBelow('a1')).toBe('a3');
  expect(tree.leafBelow('q')).toBe('a2');
  expect(tree.newestLeaf()).toBe('other');
});

test('siblings are told oldest first, roots among themselves', () => {
  expect(tree.siblings('a2')).toEqual(['a1', 'a2']);
  expect(tree.siblings('q')).toEqual(['q', 'other']);
  expect(tree.siblings('a3')).toEqual(['a3']);
});

test('a message goes with all that hangs on it', () => {
  expect([...tree.withDescendants('a1')].sort()).toEqual(['a1', 'a3', 'q2']);
});

test('a circle in what was kept does not hang the page', () => {
  const circle = new MessageTree([message('x', 'y'), message('y', 'x')]);
  expect(circle.path('x')).toHaveLength(2);
  expect(circle.newestLeaf()).toBeNull();
});
