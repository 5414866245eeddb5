import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import { RULES } from '../../../proofs/matching/market-columns.ts';
import { MarketWitness } from '../../../proofs/matching/witness.ts';
import { constraintTable } from '../../../proofs/stark/constraint-table.ts';
import { PROFILES, withZeroKnowledge } from '../../../proofs/stark/parameters.ts';
import { circuitSoundness } from '../../../proofs/stark/proof-layout.ts';

const PAGES = {
  plain: 'market-circuit.md',
  ruled: 'ruled-market-circuit.md',
  stops: 'stop-market-circuit.md',
} as const;

describe.each(RULES)('the circuit with %s rules', (rules) => {
  const circuit = marketCircuit(rules);

  test(`docs/${PAGES[rules]} is the circuit (VERITAPE_WRITE_DOCS=1 writes it)`, () => {
    const file = fileURLToPath(new URL(`../../../docs/${PAGES[rules]}`, import.meta.url));
    const page = constraintTable(circuit);
    if (process.env['VERITAPE_WRITE_DOCS'] === '1') writeFileSync(file, page);
    expect(readFileSync(file, 'utf8')).toBe(page);
  });

  test('the witness declares the same columns', () => {
    const witness = new MarketWitness(16, 1, []);
    witness.finish(rules);
    expect(witness.trace).toHaveLength(circuit.columns.length);
  });

  test.each(Object.values(PROFILES))('profile $name proves at least 100 bits of it, at every height', (profile) => {
    for (const parameters of [profile, withZeroKnowledge(profile)]) {
      for (let heightLog = 16; heightLog <= 20; heightLog++) {
        expect(circuitSoundness(circuit, parameters, heightLog).least).toBeGreaterThanOrEqual(100);
      }
    }
  });
});

/** Of proofs that were made with them. */
test.each([
  ['plain', '98f0982d 465da4ad 9bd2cc38 e183b057 72b259b5 84a7ea75 3d99d9ee f7c2cc85'],
  ['ruled', '01c645d2 59d7e57d 752f0a3b 4b677ac4 54ee92d0 7e8a3e66 04799f15 a39f2efd'],
] as const)('the %s circuit is what it was', (rules, expected) => {
  const digest = [...marketCircuit(rules).digest].map((word) => word.toString(16).padStart(8, '0')).join(' ');
  expect(digest).toBe(expected);
});

test('all commit to books in the same columns', () => {
  const tables = RULES.map((rules) =>
    marketCircuit(rules)
      .groups.filter(({ name }) => name === 'before' || name === 'after')
      .map(({ columns }) => columns),
  );
  expect(tables[1]).toEqual(tables[0]);
  expect(tables[2]).toEqual(tables[0]);
});
