/** What can be said of a model's file before it is sent: whether it is one, and what to call it. */

const MAGIC = 'GGUF';
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_.-]*(:[\p{L}\p{N}_.-]+)?$/u;
const MAX_BYTES = 120;

/** Whether the file begins as GGUF files do. */
export async function isModelFile(file: Blob): Promise<boolean> {
  return (await file.slice(0, MAGIC.length).text()) === MAGIC;
}

/** Whether its name says that other files belong to it. */
export function isPart(fileName: string): boolean {
  return /-\d{5}-of-(?!00001)\d{5}\.gguf$/i.test(fileName);
}

/** A name for the model: "Qwen2.5-7B-Instruct-Q4_K_M.gguf" → "qwen2.5-7b-instruct:q4_k_m". */
export function nameFor(fileName: string): string {
  const stem = fileName.replace(/\.gguf$/i, '').replace(/-\d{5}-of-\d{5}$/, '');
  const tagged = stem.replace(/[-_.]((?:i?q\d(?:_[a-z0-9]+)*)|bf16|f16|fp16|f32)$/i, ':$1');
  const name = tagged.replace(/[^\p{L}\p{N}_.:-]+/gu, '-').replace(/^[^\p{L}\p{N}_]+/u, '');
  return name.toLowerCase().slice(0, 64) || 'model';
}

export function isName(name: string): boolean {
  return NAME.test(name) && new TextEncoder().encode(name).length <= MAX_BYTES && !name.toLowerCase().endsWith('.gguf');
}
