import { expect, test } from '@jest/globals';
import { P } from '../../../proofs/stark/field.ts';
import { isGround, Transcript } from '../../../proofs/stark/transcript.ts';

test('what is absorbed, under which name, and how it is cut decides the challenges', () => {
  const challenges = (absorb: (transcript: Transcript) => void, protocol = 'a'): string => {
    const transcript = new Transcript(protocol);
    absorb(transcript);
    return transcript.challenge().join();
  };
  const all = [
    challenges(() => undefined),
    challenges(() => undefined, 'b'),
    challenges((t) => t.absorb('x', [])),
    challenges((t) => t.absorb('x', [0])),
    challenges((t) => t.absorb('x', [1, 2])),
    challenges((t) => t.absorb('y', [1, 2])),
    challenges((t) => {
      t.absorb('x', [1]);
      t.absorb('x', [2]);
    }),
    challenges((t) => void t.challenge()),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(challenges((t) => t.absorb('x', [1, 2]))).toBe(all[4]);
});

test('challenges are elements and spread over the field', () => {
  const transcript = new Transcript('spread');
  const bins = new Array<number>(15).fill(0);
  for (let i = 0; i < 3_000; i++) {
    for (const word of transcript.challenge()) {
      expect(word).toBeLessThan(P);
      const bin = Math.floor((word / P) * bins.length);
      bins[bin] = (bins[bin] as number) + 1;
    }
  }
  for (const bin of bins) expect(Math.abs(bin - 1_000)).toBeLessThan(200);
});

test('indices have as many bits as asked for', () => {
  const transcript = new Transcript('indices');
  expect(transcript.indices(5, 0)).toEqual([0, 0, 0, 0, 0]);
  const drawn = transcript.indices(4_000, 3);
  for (let i = 0; i < 8; i++) expect(Math.abs(drawn.filter((index) => index === i).length - 500)).toBeLessThan(120);
});

test('grinding', () => {
  const { key } = new Transcript('work');
  const message = new Transcript('work').grindingMessage();
  let nonce = 0;
  while (!isGround(message, nonce, 8, key)) nonce++;
  expect(isGround(message, nonce, 8, key)).toBe(true);
  expect(isGround(message, nonce, 0, key)).toBe(true);
  expect(isGround(new Transcript('other').grindingMessage(), nonce, 8, key)).toBe(false);
});
