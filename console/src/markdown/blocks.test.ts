/** A text gives the same blocks however it arrives, and what has settled is not parsed again. */
import { describe, expect, it } from 'vitest';

import { Blocks } from './blocks';
import { Builder } from './builder';
import type { Node } from './nodes';
import { outline } from './outline';

function whole(text: string): Node[] {
  const blocks = new Blocks();
  blocks.update(text, false);
  return new Builder(blocks.definitions).build(blocks.tail);
}

function inPieces(text: string, lengths: Iterable<number>): Node[] {
  const blocks = new Blocks();
  for (const length of lengths) blocks.update(text.slice(0, length), true);
  blocks.update(text, false);
  return new Builder(blocks.definitions).build([...blocks.settled, ...blocks.tail]);
}

/** A fixed sequence that looks random. */
function* numbers(seed: number): Generator<number, never> {
  for (;;) {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    yield seed / 0x7fffffff;
  }
}

const FRAGMENTS = [
  '- a\n', '- b\n\n', '  c\n', '1. x\n', '2. y\n\n', '   z\n', '> q\n', '>> r\n', '\n', '\n\n', 'para **bold** text\n', '```py\ncode\n',
  '```\n', '    ind\n', '| a | b |\n', '|---|---|\n', '| 1 | 2 |\n', '# h\n', '===\n', '---\n', '$$\n', 'x^2\n', '$$\n', '\\[\n', '\\]\n',
  '`c`', '*e*', 'text', '**', '[l](http://a.b/c)', '[r]\n', '[r]: http://x.y\n', '<div>\n', '</div>\n\n', '中文**“重”**文\n', '* ',
  '~~~\n', '\t\ttab\n', '- [ ] task\n', '\\', '  \n', '    - n\n', '        deep\n', 'a\r\nb\r\n',
];

describe('blocks', () => {
  it('are the same for a text that came at once and one that came letter by letter', () => {
    const random = numbers(7);
    for (let round = 0; round < 400; round++) {
      const count = 2 + random.next().value * 14;
      let text = '';
      for (let index = 0; index < count; index++) text += FRAGMENTS[Math.floor(random.next().value * FRAGMENTS.length)]!;
      expect(outline(inPieces(text, Array(text.length).keys())), JSON.stringify(text)).toBe(outline(whole(text)));
    }
  });

  it('settle once another block has begun behind them', () => {
    const blocks = new Blocks();
    blocks.update('First\n\nSecond\n\nThi', true);
    expect(blocks.settled.map((token) => token.raw.trim()).filter(Boolean)).toEqual(['First']);
    blocks.update('First\n\nSecond\n\nThird\n', true);
    expect(blocks.settled.map((token) => token.raw.trim()).filter(Boolean)).toEqual(['First', 'Second']);
  });

  it('wait with settling as long as a list, a table or a fence may go on', () => {
    for (const text of ['- a\n- b\n\n', '| a |\n|---|\n| b |\n', '```\n\nx\n\ny\n', '> a\n', '$$\na\n\nb\n']) {
      const blocks = new Blocks();
      blocks.update(text, true);
      expect(blocks.settled, text).toEqual([]);
    }
  });

  it('begin anew for another text', () => {
    const blocks = new Blocks();
    blocks.update('One\n\nTwo\n\nThree\n', true);
    expect(blocks.update('Something else', false)).toBe(false);
    expect(outline(new Builder(blocks.definitions).build([...blocks.settled, ...blocks.tail]))).toBe('<p>Something else</p>');
  });

  it('nested deeper than anybody reads are text, not a stack overflow', () => {
    for (const text of ['>'.repeat(20_000), '- '.repeat(5_000) + 'x', '*'.repeat(50_000) + 'a' + '*'.repeat(50_000), '['.repeat(20_000), '**a '.repeat(20_000)]) {
      expect(() => outline(whole(text)), text.slice(0, 10)).not.toThrow();
    }
  });
});

describe('a half-received text', () => {
  const shown = (text: string): string => {
    const blocks = new Blocks();
    blocks.update(text, true);
    return outline(new Builder(blocks.definitions).build([...blocks.settled, ...blocks.tail], true));
  };

  it.each([
    ['a **bo', '<p>a <strong>bo</strong></p>'],
    ['a **bold*', '<p>a <strong>bold</strong></p>'],
    ['a `co', '<p>a <code>co</code></p>'],
    ['see [the docs](https://exa', '<p>see the docs</p>'],
    ['text\n-', '<p>text</p>'],
    ['text\n--', '<p>text</p>'],
    ['- one\n-', '<ul><li>one</li></ul>'],
    ['- one\n1', '<ul><li>one</li></ul>'],
    ['#', ''],
    ['```pyth', ''],
    ['```python\nx\n``', '<pre lang="python" open>x</pre>'],
    ['| Name | A', '<div><table><thead><tr><th>Name</th><th>A</th></tr></thead></table></div>'],
    ['| Name |\n|-', '<div><table><thead><tr><th>Name</th></tr></thead></table></div>'],
    ['$$\nx^2', '<math display open>x^2</math>'],
    ['so \\(x', '<p>so <math open>x</math></p>'],
    ['2 * 3', '<p>2 * 3</p>'],
    ['x &am', '<p>x </p>'],
  ])('%j shows %s', (text, expected) => expect(shown(text)).toBe(expected));
});
