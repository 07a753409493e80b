import { describe, expect, it } from 'vitest';

import { pieces } from './snippet';

describe('pieces', () => {
  it('marks what was found, and keeps marks without a partner', () => {
    expect(pieces('a \u0002b\u0003 c \u0002d')).toEqual([
      { text: 'a ', found: false },
      { text: 'b', found: true },
      { text: ' c ', found: false },
      { text: 'd', found: true },
    ]);
  });

  it("leaves out Markdown's signs", () => {
    expect(pieces('a **\u0002quick\u0003 sort** in ```python def `f`')).toEqual([
      { text: 'a ', found: false },
      { text: 'quick', found: true },
      { text: ' sort in  def f', found: false },
    ]);
  });

  it('never shows HTML as anything but text', () => {
    expect(pieces('<b>\u0002<img>\u0003')).toEqual([
      { text: '<b>', found: false },
      { text: '<img>', found: true },
    ]);
  });
});
