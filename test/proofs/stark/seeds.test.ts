import { describe, expect, test } from '@jest/globals';
import { hashWords } from '../../../proofs/stark/blake3.ts';
import { type Circuit, CircuitBuilder } from '../../../proofs/stark/constraints.ts';
import { P } from '../../../proofs/stark/field.ts';
import { fillHiddenRows, saltKey, treeSecret } from '../../../proofs/stark/hiding.ts';
import { createPlainKernels } from '../../../proofs/stark/kernels/plain-kernels.ts';
import { SALT_WORDS } from '../../../proofs/stark/merkle.ts';
import { decodeProof, type Proof } from '../../../proofs/stark/proof-encoding.ts';
import { type ProverOptions, prove } from '../../../proofs/stark/prover.ts';
import { verify } from '../../../proofs/stark/verifier.ts';
import { elementsFrom, wordsFrom } from './random-elements.ts';

const HIDDEN = { name: 'hidden', blowUpLog: 2, queries: 12, grindingBits: 3, hiddenRows: 16 };
const ROWS = 48;

/** Each of the two cells of a state grows by one. */
function stepCircuit(): Circuit {
  const builder = new CircuitBuilder('a step', 1);
  const state = (name: string) => {
    builder.group(name);
    return ['a', 'b'].map((cell) => ({ cell, value: builder.column(`${name} ${cell}`) }));
  };
  const before = state('before');
  for (const [i, { cell, value }] of state('after').entries()) {
    builder.onEveryRow(`${cell} grows`, value.minus(before[i]?.value ?? 0).minus(1));
  }
  return builder.build();
}

const circuit = stepCircuit();
const kernels = createPlainKernels(circuit);
const seedOf = (seed: number): Uint8Array => Uint8Array.from(wordsFrom(seed, 32));
const states = [0, 1, 2].map((grown) => [1, 2].map((seed) => elementsFrom(seed, ROWS).map((x) => (x + grown) % P)));

/** The step from states[from], and the roots it is proven with. */
function stepFrom(from: number, options: ProverOptions): { roots: Readonly<Record<string, string>>; proof: Proof } {
  const trace = [...(states[from] ?? []), ...(states[from + 1] ?? [])];
  const bytes = prove(circuit, HIDDEN, trace, [], kernels, options);
  const { commitments } = verify(circuit, HIDDEN, { publics: [] }, bytes);
  const roots = Object.fromEntries(Object.entries(commitments).map(([name, root]) => [name, root.join(' ')]));
  return { roots, proof: decodeProof(circuit, HIDDEN, bytes).proof };
}

describe('commitments that are handed on', () => {
  const first = stepFrom(0, { seeds: { after: seedOf(1) } });

  test('what one step ends with is what the next starts from', () => {
    const second = stepFrom(1, { seeds: { before: seedOf(1), after: seedOf(2) } });
    expect(second.roots['before']).toBe(first.roots['after']);
    expect(second.roots['after']).not.toBe(first.roots['after']);
    // They open the same tree, at positions of their own.
    expect(second.proof.trees[0]).not.toEqual(first.proof.trees[1]);
  });

  test('other seeds, none, and other columns have other roots', () => {
    const roots = [
      first,
      stepFrom(1, { seeds: { before: seedOf(2) } }),
      stepFrom(1, {}),
      stepFrom(1, {}),
      stepFrom(0, { seeds: { before: seedOf(1) } }),
    ].map(({ roots: { before, after } }, i) => (i === 0 ? after : before));
    expect(new Set(roots).size).toBe(roots.length);
  });

  test('all else stays fresh', () => {
    const again = stepFrom(0, { seeds: { before: seedOf(3), after: seedOf(1) } });
    const once = stepFrom(0, { seeds: { before: seedOf(3), after: seedOf(1) } });
    expect(again.roots).toEqual(once.roots);
    expect(again.proof.roots[2]).not.toEqual(once.proof.roots[2]);
  });

  test('each leaf of each tree has a salt of its own', () => {
    const seeds = { before: seedOf(3), after: seedOf(1) };
    const salts = stepFrom(0, { seeds }).proof.trees.map(({ rows }) =>
      rows.map((row) => row.slice(-SALT_WORDS).join(' ')),
    );
    expect(new Set(salts.flat()).size).toBe(salts.flat().length);
    const key = saltKey(treeSecret(seeds.before, 6, HIDDEN));
    const leaves = Array.from({ length: 256 }, (_, leaf) => hashWords(Uint32Array.of(leaf), 0, 1, key).join(' '));
    const opened = salts[0]?.map((salt) => leaves.indexOf(salt)) ?? [];
    expect(Math.min(...opened)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...opened)).toBeGreaterThanOrEqual(64);
  });

  test('seeds of other lengths and for other groups are refused', () => {
    expect(() => stepFrom(0, { seeds: { after: new Uint8Array(31) } })).toThrow('32 bytes');
    expect(() => stepFrom(0, { seeds: { between: seedOf(1) } })).toThrow('between');
    expect(() => stepFrom(0, { seeds: { toString: seedOf(1) } })).toThrow('toString');
  });
});

test('a secret is of its seed, the height and the parameters; rows and salts are of the secret', () => {
  const secrets = [
    treeSecret(seedOf(1), 6, HIDDEN),
    treeSecret(seedOf(2), 6, HIDDEN),
    treeSecret(seedOf(1), 7, HIDDEN),
    treeSecret(undefined, 6, HIDDEN),
    treeSecret(undefined, 6, HIDDEN),
    ...(['blowUpLog', 'queries', 'hiddenRows'] as const).map((name) =>
      treeSecret(seedOf(1), 6, { ...HIDDEN, [name]: HIDDEN[name] + 1 }),
    ),
  ];
  const rowsOf = (secret: Uint32Array, column: number): string => {
    const rows = new Uint32Array(256);
    fillHiddenRows(rows, secret, column);
    expect(rows.every((row) => row < P)).toBe(true);
    return rows.join(' ');
  };
  const derived = secrets.flatMap((secret) => [rowsOf(secret, 0), rowsOf(secret, 1), saltKey(secret).join(' ')]);
  expect(new Set(derived).size).toBe(derived.length);
  expect(treeSecret(seedOf(1), 6, HIDDEN)).toEqual(secrets[0]);
});

test('hidden rows are spread evenly over the field', () => {
  const rows = new Uint32Array(16_384);
  fillHiddenRows(rows, treeSecret(seedOf(1), 6, HIDDEN), 0);
  expect(new Set(rows).size).toBeGreaterThan(16_380);
  const counts = new Uint32Array(16);
  for (const row of rows) counts[Math.floor((row * 16) / P)] = (counts[Math.floor((row * 16) / P)] ?? 0) + 1;
  // Each is 1,024 but for six standard deviations.
  for (const count of counts) expect(Math.abs(count - 1_024)).toBeLessThan(190);
});
