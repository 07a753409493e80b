import { describe, expect, it } from 'vitest';

import { bytes, duration } from './format';

describe('duration', () => {
  it.each([
    [0.4, '0.40 s'],
    [9.999, '10 s'],
    [59.7, '1 min'],
    [179.6, '3 min'],
    [161, '2 min 41 s'],
    [3599.8, '1 h'],
    [7500, '2 h 5 min'],
  ])('of %s seconds', (seconds, words) => {
    expect(duration(seconds)).toBe(words);
  });
});

describe('bytes', () => {
  it('take the largest unit that leaves a figure before the point', () => {
    expect([bytes(320), bytes(999_600), bytes(491_400_000)]).toEqual(['320 B', '1.0 MB', '491 MB']);
  });
});
