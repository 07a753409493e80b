/** The tree that a chat's messages make: every edit and every further answer is a branch. */

import type { Message } from '../api/types';

export class MessageTree {
  private readonly byId = new Map<string, Message>();
  private readonly childrenOf = new Map<string | null, Message[]>();
  private readonly childIds = new Map<string | null, readonly string[]>();

  /** `messages` are in the order in which they were made. */
  constructor(messages: readonly Message[]) {
    for (const message of messages) {
      this.byId.set(message.id, message);
    }
    for (const message of messages) {
      const siblings = this.childrenOf.get(message.parent_id);
      if (siblings) siblings.push(message);
      else this.childrenOf.set(message.parent_id, [message]);
    }
  }

  get(id: string): Message | undefined {
    return this.byId.get(id);
  }

  children(id: string | null): readonly Message[] {
    return this.childrenOf.get(id) ?? [];
  }

  /** The messages from the root to `leaf`. */
  path(leaf: string | null): Message[] {
    const path: Message[] = [];
    const seen = new Set<string>();
    let next = leaf;
    while (next !== null && !seen.has(next)) {
      seen.add(next);
      const message = this.byId.get(next);
      if (!message) break;
      path.push(message);
      next = message.parent_id;
    }
    return path.reverse();
  }

  /** The newest end of the branch through `id`. */
  leafBelow(id: string): string {
    let leaf = id;
    for (;;) {
      const newest = this.children(leaf).at(-1);
      if (!newest) return leaf;
      leaf = newest.id;
    }
  }

  /** Where a chat whose shown branch is not known is opened: at its newest message. */
  newestLeaf(): string | null {
    const root = this.children(null).at(-1);
    return root ? this.leafBelow(root.id) : null;
  }

  /** Of the message and those beside it. Asked for every row that is drawn: worked out once. */
  siblings(id: string): readonly string[] {
    const parent = this.byId.get(id)?.parent_id;
    if (parent === undefined) return [id];
    let ids = this.childIds.get(parent);
    if (!ids) {
      ids = this.children(parent).map((sibling) => sibling.id);
      this.childIds.set(parent, ids);
    }
    return ids;
  }

  /** `id` and all that hangs on it. */
  withDescendants(id: string): Set<string> {
    const found = new Set([id]);
    const open = [id];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const child of this.children(next)) {
        if (found.has(child.id)) continue;
        found.add(child.id);
        open.push(child.id);
      }
    }
    return found;
  }
}
