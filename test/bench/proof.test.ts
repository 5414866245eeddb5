import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { playApart } from '../../bench/benchmark.ts';
import { describePeer, type PeerTold, takeNews } from '../../bench/o1js-peer.ts';
import { writeScenario } from '../../bench/proof-journal.ts';
import type { PlayedProof, PlayedReplay } from '../../bench/proof-play.ts';
import { verifyProof } from '../../proofs/matching/verify-proof.ts';

const PROOF_MS_MAX = 240_000;

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veritape-proof-bench-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test(
  'a scenario is journalled, proven, verified and replayed, and the times of the stages are all there is',
  async () => {
    const journal = join(folder, 'normal');
    const file = join(folder, 'normal.vtp');
    await writeScenario(journal, 'normal', 500);
    const proven = await playApart<PlayedProof>('proof-play.ts', 'prove', journal, '16', '2', file);
    const { statement, bytes } = verifyProof(readFileSync(file));
    expect(proven).toMatchObject({ commands: statement.lastSequence, lastSequence: statement.lastSequence, bytes });
    expect(proven.commands).toBeGreaterThan(500);
    expect(proven.rows).toBeGreaterThan(proven.commands);
    expect(proven.peakBytes).toBeGreaterThan(2 ** 24);
    expect(Object.values(proven.stagesMs).reduce((sum, ms) => sum + ms)).toBeCloseTo(proven.elapsedMs, 3);
    const replayed = await playApart<PlayedReplay>('proof-play.ts', 'replay', journal, String(proven.lastSequence));
    expect(replayed.commands).toBe(proven.commands);
    const verifications = await playApart<number[]>('proof-verify.ts', file, '3');
    expect(verifications).toHaveLength(3);
  },
  PROOF_MS_MAX,
);

test('what o1js told becomes figures', () => {
  const told: PeerTold = {};
  const lines = ['{"backend":"native"}', 'compiling', '{"compileMs":5000}', '{"proveMs":2000}', '{"proofBytes":2048}'];
  for (const line of [...lines, '{"verifyMs":3}', '{"verifyMs":4}', '{"verifyMs":9}', '{"peakBytes":1048576}']) {
    takeNews(told, line);
  }
  const { figures, notes, stepsPerSecond } = describePeer(told, { compileMs: 1500 }, undefined);
  expect(stepsPerSecond).toBe(250);
  expect(figures.map(({ name, value, unit }) => [name, value, unit])).toEqual([
    ['o1js: proven', 250, 'steps/s'],
    ['o1js: proof', 2, 'KiB'],
    ['o1js: verification, warm, p50', 4, 'ms'],
    ['o1js: compiling the circuit, cold', 5, 's'],
    ['o1js: compiling the circuit, cached', 1.5, 's'],
    ['o1js: peak memory', 1, 'MiB'],
  ]);
  expect(notes).toEqual([expect.stringMatching(/^o1js \d+\.\d+\.\d+, backend native: one proof of 500 steps/)]);
});

test('an o1js that did not come to its end leaves what it told, and why', () => {
  const { figures, notes, stepsPerSecond } = describePeer({ compileMs: 5000 }, {}, 'it was ended after 1200 s');
  expect(stepsPerSecond).toBeUndefined();
  expect(figures.map(({ name }) => name)).toEqual(['o1js: compiling the circuit, cold']);
  expect(notes.at(-1)).toBe('o1js: not all was measured: it was ended after 1200 s');
});
