/** A strict JSON reader that says where the text is wrong: browsers' own messages differ and often have no place. */

export type JsonProblem =
  | 'unexpected_end'
  | 'unexpected'
  | 'expected_key'
  | 'expected_colon'
  | 'expected_comma'
  | 'trailing_comma'
  | 'bad_escape'
  | 'control_character'
  | 'bad_number'
  | 'bad_word'
  | 'duplicate_key'
  | 'too_deep'
  | 'extra';

export interface JsonMistake {
  problem: JsonProblem;
  /** Index into the text, and the same counted in lines and columns from 1. */
  at: number;
  line: number;
  column: number;
  /** The character or word in question. */
  found: string;
}

const DEEPEST = 100;

class Mistake extends Error {
  constructor(
    readonly problem: JsonProblem,
    readonly at: number,
    readonly found = '',
  ) {
    super(problem);
  }
}

/** Where the text is not JSON; null where it is. An object that names a key twice is a mistake too. */
export function findMistake(text: string): JsonMistake | null {
  try {
    const scanner = new Scanner(text);
    scanner.document();
    return null;
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    const before = text.slice(0, error.at);
    const line = before.split('\n').length;
    const column = error.at - (before.lastIndexOf('\n') + 1) + 1;
    return { problem: error.problem, at: error.at, line, column, found: error.found };
  }
}

class Scanner {
  private at = 0;

  constructor(private readonly text: string) {}

  document(): void {
    this.space();
    this.value(0);
    this.space();
    if (this.at < this.text.length) throw this.wrong('extra');
  }

  private value(depth: number): void {
    if (depth > DEEPEST) throw this.wrong('too_deep');
    const character = this.text[this.at];
    if (character === undefined) throw this.wrong('unexpected_end');
    if (character === '{') this.object(depth);
    else if (character === '[') this.array(depth);
    else if (character === '"') this.string();
    else if (character === '-' || isDigit(character)) this.number();
    else if (/[A-Za-z_$]/.test(character)) this.word();
    else throw this.wrong('unexpected');
  }

  private object(depth: number): void {
    const keys = new Set<string>();
    this.at++;
    this.space();
    if (this.take('}')) return;
    for (;;) {
      const start = this.at;
      if (this.text[this.at] !== '"') throw this.wrong('expected_key');
      const key = this.string();
      if (keys.has(key)) throw new Mistake('duplicate_key', start, key);
      keys.add(key);
      this.space();
      if (!this.take(':')) throw this.wrong('expected_colon');
      this.space();
      this.value(depth + 1);
      this.space();
      if (this.take('}')) return;
      this.comma('}');
    }
  }

  private array(depth: number): void {
    this.at++;
    this.space();
    if (this.take(']')) return;
    for (;;) {
      this.value(depth + 1);
      this.space();
      if (this.take(']')) return;
      this.comma(']');
    }
  }

  private comma(closing: string): void {
    const comma = this.at;
    if (!this.take(',')) throw this.wrong('expected_comma');
    this.space();
    if (this.text[this.at] === closing) throw new Mistake('trailing_comma', comma, ',');
  }

  private string(): string {
    const start = this.at;
    this.at++;
    for (;;) {
      const character = this.text[this.at];
      if (character === undefined) throw new Mistake('unexpected_end', this.at);
      if (character === '"') {
        this.at++;
        return JSON.parse(this.text.slice(start, this.at)) as string;
      }
      if (character < ' ') throw new Mistake('control_character', this.at, character === '\n' ? '↵' : '');
      this.at += character === '\\' ? this.escape() : 1;
    }
  }

  private escape(): number {
    const escaped = this.text[this.at + 1];
    if (escaped === undefined) throw new Mistake('unexpected_end', this.at + 1);
    if (escaped === 'u') {
      const digits = this.text.slice(this.at + 2, this.at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new Mistake('bad_escape', this.at, `\\u${digits}`);
      return 6;
    }
    if (!'"\\/bfnrt'.includes(escaped)) throw new Mistake('bad_escape', this.at, `\\${escaped}`);
    return 2;
  }

  private number(): void {
    const rest = this.text.slice(this.at);
    const whole = /^[-+.\w]+/.exec(rest)?.[0] ?? '';
    if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(whole)) throw new Mistake('bad_number', this.at, whole);
    this.at += whole.length;
  }

  private word(): void {
    const word = /^[\w$]+/.exec(this.text.slice(this.at))?.[0] ?? '';
    if (!['true', 'false', 'null'].includes(word)) throw new Mistake('bad_word', this.at, word);
    this.at += word.length;
  }

  private take(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private space(): void {
    while (this.at < this.text.length && ' \t\n\r'.includes(this.text[this.at] as string)) this.at++;
  }

  private wrong(problem: JsonProblem): Mistake {
    const found = [...this.text.slice(this.at, this.at + 2)][0];
    return found === undefined ? new Mistake('unexpected_end', this.at) : new Mistake(problem, this.at, found);
  }
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}
