import { describe, expect, it } from 'vitest';

import { isModelFile, isName, isPart, nameFor } from './model_file';

describe('the name that is proposed for a file', () => {
  it.each([
    ['Qwen2.5-7B-Instruct-Q4_K_M.gguf', 'qwen2.5-7b-instruct:q4_k_m'],
    ['SmolLM2-135M-Instruct.Q4_1.gguf', 'smollm2-135m-instruct:q4_1'],
    ['Llama 3 (8B) f16.gguf', 'llama-3-8b-f16'],
    ['通义千问-7B.gguf', '通义千问-7b'],
    ['.gguf', 'model'],
    ['model', 'model'],
  ])('%s becomes %s', (file, name) => {
    expect(nameFor(file)).toBe(name);
    expect(isName(name)).toBe(true);
  });
});

describe('names', () => {
  it('have letters of any script, digits and a tag', () => {
    for (const good of ['a', 'my-model', 'my.model:v1', '模型:新']) expect(isName(good)).toBe(true);
  });

  it('are no paths, files or sentences', () => {
    for (const bad of ['', 'a/b', '../a', '-a', 'a b', 'a:b:c', 'a.gguf', 'x'.repeat(121)]) expect(isName(bad)).toBe(false);
  });
});

it('tells parts of a model from whole ones', () => {
  expect(isPart('big-00001-of-00003.gguf')).toBe(true);
  expect(isPart('big-00001-of-00001.gguf')).toBe(false);
  expect(isPart('big.gguf')).toBe(false);
});

it('looks at the first bytes of a file', async () => {
  expect(await isModelFile(new Blob(['GGUF\u0003']))).toBe(true);
  expect(await isModelFile(new Blob(['PK\u0003\u0004']))).toBe(false);
  expect(await isModelFile(new Blob([]))).toBe(false);
});
