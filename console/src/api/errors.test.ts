import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { language } from '../i18n/language.svelte';
import { ApiFailure, sentence } from './client';
import { told } from './errors';

vi.stubGlobal('document', { documentElement: {} });

const SERVER = join(import.meta.dirname, '../../../sevenb/server');
const NO_CODES = ['invalid_request_error', 'server_error', 'rate_limit_error', 'model'];
/** Told by the forms that meet them, or to programs alone. */
const ELSEWHERE = ['wrong_login', 'wrong_password', 'wrong_token', 'unsupported_media_type'];

/** Every code that the server's sources give an error. */
function codes(): string[] {
  const files = readdirSync(SERVER, { recursive: true, encoding: 'utf-8' }).filter((name) => name.endsWith('.py'));
  const calls = files.flatMap(
    (name) => readFileSync(join(SERVER, name), 'utf-8').match(/\b(HttpError|Problem)\((?:[^()]|\([^()]*\))*\)/g) ?? [],
  );
  const found = calls.flatMap((call) => [...call.matchAll(/,\s*"([a-z]+(?:_[a-z]+)*)"/g)].map((match) => match[1]!));
  return [...new Set(found)].filter((code) => !NO_CODES.includes(code) && !ELSEWHERE.includes(code));
}

describe('what an error is called', () => {
  beforeEach(() => language.choose('zh'));

  it('has Chinese words for every code of the server', () => {
    const all = codes();
    expect(all).toEqual(expect.arrayContaining(['context_length_exceeded', 'upstream_unreachable', 'not_kept']));
    expect(all.filter((code) => !/^[^a-z]*[\u4e00-\u9fff]/.test(told({ code, message: 'English.' })))).toEqual([]);
  });

  it('keeps what the server says of the one case', () => {
    expect(told({ code: 'conflict', message: 'The name is taken; it costs $& 5.' })).toContain('it costs $& 5.');
    expect(told({ code: 'not_ready', message: 'Loading.' })).not.toContain('Loading.');
  });

  it('falls back on the sentence of the server', () => {
    expect(told({ code: null, message: 'temperature: must be a number.' })).toBe('temperature: must be a number.');
    expect(told({ code: 'constructor', message: 'Something new.' })).toBe('Something new.');
  });

  it('is the sentence of the server in English', () => {
    const failure = new ApiFailure('The model is loading.', 503, 'not_ready');
    expect(sentence(failure)).toMatch(/模型/);
    language.choose('en');
    expect(sentence(failure)).toBe('The model is loading.');
  });
});
