/** A tool as a person writes it down: checked, and read from the forms that other programs have. */

import type { ToolDefinition } from '../api/types';
import { findMistake } from './json_scan';

export interface ToolForm {
  name: string;
  description: string;
  parameters: string;
}

export const EMPTY_TOOL: ToolForm = {
  name: '',
  description: '',
  parameters: JSON.stringify(
    { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
    null,
    2,
  ),
};

export function formOf(tool: ToolDefinition): ToolForm {
  return { name: tool.name, description: tool.description, parameters: JSON.stringify(tool.parameters, null, 2) };
}

export function nameIsGood(name: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(name);
}

/** The schema of the arguments, or null where the text is none. */
export function readParameters(text: string): Record<string, unknown> | null {
  if (findMistake(text)) return null;
  const value = JSON.parse(text) as unknown;
  if (!isObject(value)) return null;
  return value.type === undefined || value.type === 'object' ? value : null;
}

/** A whole definition that was pasted: OpenAI's form, Anthropic's, MCP's or ours. Null for anything else. */
export function readDefinition(text: string): ToolDefinition | null {
  if (findMistake(text)) return null;
  const value = JSON.parse(text) as unknown;
  if (!isObject(value)) return null;
  const tool = isObject(value.function) ? value.function : value;
  const parameters = tool.parameters ?? tool.input_schema ?? tool.inputSchema;
  if (typeof tool.name !== 'string' || !isObject(parameters)) return null;
  return { name: tool.name, description: typeof tool.description === 'string' ? tool.description : '', parameters };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
