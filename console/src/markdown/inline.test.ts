/** What stands inside a line: emphasis beside Chinese, maths beside money, links that may be opened. */
import { describe, expect, it } from 'vitest';

import { parseInline } from './inline';
import { outline } from './outline';

const parsed = (text: string): string => outline(parseInline(text, new Map()));

describe('emphasis', () => {
  it.each([
    ['**a** _b_ ~~c~~ ***d***', '<strong>a</strong> <em>b</em> <del>c</del> <em><strong>d</strong></em>'],
    ['这是**“重点”**内容', '这是<strong>“重点”</strong>内容'],
    ['**注意：**请看', '<strong>注意：</strong>请看'],
    ['他说**Hello!**然后', '他说<strong>Hello!</strong>然后'],
    ['*强调。*后面', '<em>强调。</em>后面'],
    ['snake_case_name and 2 * 3 * 4', 'snake_case_name and 2 * 3 * 4'],
    ['约 5~10 或 6~12', '约 5~10 或 6~12'],
    ['**half', '**half'],
    ['H<sub>2</sub>O <b>x</b> <blink>y</blink>', 'H<sub>2</sub>O <strong>x</strong> &lt;blink>y&lt;/blink>'],
    ['line  \nnext', 'line<br>next'],
  ])('%j', (text, expected) => expect(parsed(text)).toBe(expected));
});

describe('maths', () => {
  it.each([
    ['$x^2$', '<math>x^2</math>'],
    ['设$a_1$为', '设<math>a_1</math>为'],
    ['\\(a*b*c\\)', '<math>a*b*c</math>'],
    ['see $$E=mc^2$$ here', 'see <math display>E=mc^2</math> here'],
    ['so \\[ x = 1 \\] it is', 'so <math display>x = 1</math> it is'],
    ['*a $b*c$ d*', '<em>a <math>b*c</math> d</em>'],
  ])('%j is a formula', (text, expected) => expect(parsed(text)).toBe(expected));

  it.each([
    'costs $5 and $10', '$5-$10', '$5,000–$10,000 a year', '($5) or ($7)', 'US$5 or US$6', '价格为$5，售价$10。', '花了$5美元和10$美元',
    '$5/month, $7/month', '$ 5 $', 'the $PATH and the $HOME', '10$ or 20$', '$20 for two, 30$ for three',
  ])('%j is money or text', (text) => expect(parsed(text)).toBe(text));

  it('does not take an escaped bracket for a formula', () => {
    expect(parsed('\\[1\\] and \\[note\\]')).toBe('[1] and [note]');
  });

  it('is left alone in code', () => {
    expect(parsed('`$x$` and $y$')).toBe('<code>$x$</code> and <math>y</math>');
  });
});

describe('links', () => {
  it.each([
    ['[a](https://b.c/d "t")', '<a href="https://b.c/d">a</a>'],
    ['<https://b.c>', '<a href="https://b.c/">https://b.c</a>'],
    ['<me@b.cc>', '<a href="mailto:me@b.cc">me@b.cc</a>'],
    ['见https://b.cc/d。谢谢', '见<a href="https://b.cc/d">https://b.cc/d</a>。谢谢'],
    ['(https://b.cc/d_(e))', '(<a href="https://b.cc/d_(e)">https://b.cc/d_(e)</a>)'],
    ['[https://b.cc](https://b.cc)', '<a href="https://b.cc/">https://b.cc</a>'],
    ['![cat](https://b.cc/x.png)', '<a href="https://b.cc/x.png">cat</a>'],
  ])('%j', (text, expected) => expect(parsed(text)).toBe(expected));

  it('say where they lead when their label says another place', () => {
    expect(parsed('[https://bank.com](https://evil.example/x)')).toBe(
      '<a href="https://evil.example/x">https://bank.com<span> (evil.example)</span></a>',
    );
    expect(parsed('[www.bank.com](https://bank.com/login)')).not.toContain('span');
    expect(parsed('[notes.md](https://files.example/1)')).not.toContain('span');
  });

  it.each([
    '[a](/settings)', '[a](#/admin)', '[a](javascript:alert(1))', '[a](data:text/html,x)', '[a](//b.c)', '[a](https://x@b.c)',
    '![a](file:///etc/passwd)', '[a](ftp://b.c)', '[a](console/api)',
  ])('%j stays text', (text) => expect(parsed(text)).toBe(text));
});
