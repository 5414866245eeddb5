import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import { RULES } from '../../../proofs/matching/market-columns.ts';
import { MarketWitness } from '../../../proofs/matching/witness.ts';
import { constraintTable } from '../../../proofs/stark/constraint-table.ts';
import { PROFILES, withZeroKnowledge } from '../../../proofs/stark/parameters.ts';
import { circuitSoundness } from '../../../proofs/stark/proof-layout.ts';

const PAGES = { plain: 'market-circuit.md', ruled: 'ruled-market-circuit.md' } as const;

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

test('the plain circuit is the one of proofs that were made before there was another', () => {
  const digest = [...marketCircuit('plain').digest].map((word) => word.toString(16).padStart(8, '0')).join(' ');
  expect(digest).toBe('98f0982d 465da4ad 9bd2cc38 e183b057 72b259b5 84a7ea75 3d99d9ee f7c2cc85');
});

test('both commit to books in the same columns', () => {
  const tables = RULES.map((rules) =>
    marketCircuit(rules)
      .groups.filter(({ name }) => name === 'before' || name === 'after')
      .map(({ columns }) => columns),
  );
  expect(tables[0]).toEqual(tables[1]);
});
