import { expect, test } from 'vitest';
import { decodeText, LARGEST_FILE, MOST_FILES, readFiles } from './attachments';

const bytes = (...values: number[]) => new Uint8Array(values);

test('text is read in the encodings that files have', () => {
  expect(decodeText(new TextEncoder().encode('naïve 中文'))).toBe('naïve 中文');
  expect(decodeText(bytes(0xff, 0xfe, 0x61, 0x00))).toBe('a');
  expect(decodeText(bytes(0xd6, 0xd0, 0xce, 0xc4))).toBe('中文');
});

test('what is no text is refused', () => {
  expect(decodeText(bytes(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00))).toBeNull();
  expect(decodeText(bytes(0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 4, 5, 6, 7))).toBeNull();
});

test('files are attached, or refused with the reason', async () => {
  const files = [
    new File(['hello'], 'a.txt'),
    new File([], 'empty.txt'),
    new File(['\0\0'], 'b.bin'),
    new File(['x'.repeat(LARGEST_FILE + 1)], 'large.txt'),
  ];
  const read = await readFiles(files, MOST_FILES - 2);
  expect(read.attached).toEqual([{ name: 'a.txt', text: 'hello' }]);
  expect(read.refused.map(({ reason }) => reason)).toEqual(['empty', 'binary', 'too_large']);
  expect((await readFiles([new File(['x'], 'c.txt')], MOST_FILES)).refused[0]?.reason).toBe('too_many');
});
