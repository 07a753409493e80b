/** Arithmetic on a text, for the tool that models call: a parser of its own, which can do nothing else. */

export class CalculatorError extends Error {}

const CONSTANTS: Record<string, number> = { pi: Math.PI, e: Math.E, tau: 2 * Math.PI };

const FUNCTIONS: Record<string, (...values: number[]) => number> = {
  abs: Math.abs,
  acos: Math.acos,
  asin: Math.asin,
  atan: Math.atan,
  cbrt: Math.cbrt,
  ceil: Math.ceil,
  cos: Math.cos,
  exp: Math.exp,
  floor: Math.floor,
  ln: Math.log,
  log: Math.log10,
  log10: Math.log10,
  log2: Math.log2,
  max: Math.max,
  min: Math.min,
  pow: Math.pow,
  round: Math.round,
  sin: Math.sin,
  sqrt: Math.sqrt,
  tan: Math.tan,
};
const TAKES_TWO = new Set(['pow']);
const TAKES_MANY = new Set(['max', 'min']);

const LONGEST = 1000;
const DEEPEST = 100;
const TOKEN = /\s*(?:(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)|([A-Za-z][A-Za-z0-9]*)|(\*\*|[-+*/%^(),!]))/y;

/** The value of `expression`: + - * / % ^ ** ! ( ), functions such as sqrt(2), pi and e. */
export function calculate(expression: string): number {
  if (expression.length > LONGEST) throw new CalculatorError('The expression is too long.');
  const parser = new Parser(tokens(expression.replaceAll('×', '*').replaceAll('÷', '/').replaceAll('−', '-')));
  const value = parser.whole();
  if (Number.isNaN(value)) throw new CalculatorError('The result is not a number.');
  if (!Number.isFinite(value)) throw new CalculatorError('The result is infinite: a division by zero, or too large.');
  return value;
}

/** As a person writes it: 0.1 + 0.2 is 0.3. */
export function show(value: number): string {
  return String(Number(value.toPrecision(15)));
}

function tokens(expression: string): string[] {
  const found: string[] = [];
  let at = 0;
  while (expression.slice(at).trim()) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(expression);
    if (!match) throw new CalculatorError(`Cannot read "${expression.slice(at).trim().slice(0, 10)}".`);
    found.push((match[1] ?? match[2] ?? match[3]) as string);
    at = TOKEN.lastIndex;
  }
  return found;
}

class Parser {
  private at = 0;
  private depth = 0;

  constructor(private readonly tokens: string[]) {}

  whole(): number {
    const value = this.sum();
    const rest = this.tokens[this.at];
    if (rest !== undefined) throw new CalculatorError(`"${rest}" was not expected there.`);
    return value;
  }

  private sum(): number {
    let value = this.product();
    for (;;) {
      if (this.take('+')) value += this.product();
      else if (this.take('-')) value -= this.product();
      else return value;
    }
  }

  private product(): number {
    let value = this.signed();
    for (;;) {
      if (this.take('*')) value *= this.signed();
      else if (this.take('/')) value /= this.signed();
      else if (this.take('%')) value %= this.signed();
      else return value;
    }
  }

  /** -2 ^ 2 is -4, as in mathematics. */
  private signed(): number {
    if (++this.depth > DEEPEST) throw new CalculatorError('The expression is nested too deeply.');
    try {
      if (this.take('-')) return -this.signed();
      if (this.take('+')) return this.signed();
      return this.power();
    } finally {
      this.depth--;
    }
  }

  private power(): number {
    const base = this.factorial();
    // To the right first: 2 ^ 3 ^ 2 is 2 ^ 9.
    return this.take('^') || this.take('**') ? base ** this.signed() : base;
  }

  private factorial(): number {
    let value = this.atom();
    while (this.take('!')) {
      if (!Number.isInteger(value) || value < 0) throw new CalculatorError('Only a whole number from 0 has a factorial.');
      if (value > 170) throw new CalculatorError('That factorial is too large.');
      let product = 1;
      for (let factor = 2; factor <= value; factor++) product *= factor;
      value = product;
    }
    return value;
  }

  private atom(): number {
    const token = this.tokens[this.at++];
    if (token === undefined) throw new CalculatorError('The expression ends too early.');
    if (token === '(') {
      const value = this.sum();
      this.expect(')');
      return value;
    }
    if (/^[.\d]/.test(token)) return Number(token);
    const name = token.toLowerCase();
    if (Object.hasOwn(CONSTANTS, name)) return CONSTANTS[name] as number;
    if (Object.hasOwn(FUNCTIONS, name)) return this.call(name);
    throw new CalculatorError(
      /^[a-z]/.test(name) ? `"${token}" is not known here.` : `"${token}" was not expected there.`,
    );
  }

  private call(name: string): number {
    this.expect('(');
    const values = [this.sum()];
    while (this.take(',')) values.push(this.sum());
    this.expect(')');
    const wanted = TAKES_TWO.has(name) ? 2 : 1;
    if (!TAKES_MANY.has(name) && values.length !== wanted) {
      throw new CalculatorError(`${name} takes ${wanted === 1 ? 'one value' : 'two values'}.`);
    }
    return (FUNCTIONS[name] as (...values: number[]) => number)(...values);
  }

  private take(token: string): boolean {
    if (this.tokens[this.at] !== token) return false;
    this.at++;
    return true;
  }

  private expect(token: string): void {
    if (!this.take(token)) throw new CalculatorError(`"${token}" is missing.`);
  }
}
