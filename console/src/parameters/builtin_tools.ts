/** The tools that the page itself can run, always after it was allowed. */

import type { ToolDefinition } from '../api/types';
import { calculate, CalculatorError, show } from './calculator';

interface BuiltinTool {
  definition: ToolDefinition;
  /** The result that goes to the model. Throws `ToolFailure` for arguments that cannot be used. */
  run(given: Record<string, unknown>): string;
}

export class ToolFailure extends Error {}

const CALCULATOR: BuiltinTool = {
  definition: {
    name: 'calculator',
    description: 'Calculates an arithmetic expression exactly. Use it for every calculation.',
    parameters: {
      type: 'object',
      properties: {
        expression: { type: 'string', description: 'Such as (17 + 5) * 3 or sqrt(2) ^ 3.' },
      },
      required: ['expression'],
      additionalProperties: false,
    },
  },
  run(given) {
    if (typeof given.expression !== 'string') throw new ToolFailure('"expression" must be a text.');
    try {
      return show(calculate(given.expression));
    } catch (error) {
      if (error instanceof CalculatorError) throw new ToolFailure(error.message);
      throw error;
    }
  },
};

const CURRENT_TIME: BuiltinTool = {
  definition: {
    name: 'current_time',
    description: 'Tells the current date and time.',
    parameters: {
      type: 'object',
      properties: {
        time_zone: { type: 'string', description: 'IANA name such as Asia/Shanghai; without it the local one.' },
      },
      additionalProperties: false,
    },
  },
  run(given) {
    const zone = typeof given.time_zone === 'string' && given.time_zone ? given.time_zone : undefined;
    try {
      // Read by a model: one form, whatever the language of the page.
      return new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long', timeZone: zone }).format(
        new Date(),
      );
    } catch {
      throw new ToolFailure(`"${zone}" is no time zone.`);
    }
  },
};

const BUILTIN = new Map([CALCULATOR, CURRENT_TIME].map((tool) => [tool.definition.name, tool]));

export const BUILTIN_DEFINITIONS: ToolDefinition[] = [...BUILTIN.values()].map((tool) => tool.definition);

/** Whether the page runs this tool: it has its name and is not another tool of the same name. */
export function runs(tool: ToolDefinition): boolean {
  const builtin = BUILTIN.get(tool.name);
  return !!builtin && JSON.stringify(builtin.definition.parameters) === JSON.stringify(tool.parameters);
}

/** The result of a call, or a sentence for the model about what is wrong with it. */
export function runBuiltin(name: string, argumentsJson: string): string {
  const tool = BUILTIN.get(name);
  if (!tool) throw new Error(`no such tool: ${name}`);
  let given: unknown;
  try {
    given = JSON.parse(argumentsJson || '{}');
  } catch {
    return 'Error: the arguments are not JSON.';
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return 'Error: the arguments must be an object.';
  }
  try {
    return tool.run(given as Record<string, unknown>);
  } catch (error) {
    if (error instanceof ToolFailure) return `Error: ${error.message}`;
    throw error;
  }
}
