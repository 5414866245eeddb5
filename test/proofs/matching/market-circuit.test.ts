import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { marketCircuit } from '../../../proofs/matching/market-circuit.ts';
import { MarketWitness } from '../../../proofs/matching/witness.ts';
import { constraintTable } from '../../../proofs/stark/constraint-table.ts';
import { PROFILES, withZeroKnowledge } from '../../../proofs/stark/parameters.ts';
import { circuitSoundness } from '../../../proofs/stark/proof-layout.ts';

const PAGE = fileURLToPath(new URL('../../../docs/market-circuit.md', import.meta.url));
const circuit = marketCircuit();

test('docs/market-circuit.md is the circuit (VERITAPE_WRITE_DOCS=1 writes it)', () => {
  const page = constraintTable(circuit);
  if (process.env['VERITAPE_WRITE_DOCS'] === '1') writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});

test('the witness declares the same columns', () => {
  expect(new MarketWitness(16, 1, []).trace).toHaveLength(circuit.columns.length);
});

test.each(Object.values(PROFILES))('profile $name proves at least 100 bits of it, at every height', (profile) => {
  for (const parameters of [profile, withZeroKnowledge(profile)]) {
    for (let heightLog = 16; heightLog <= 20; heightLog++) {
      expect(circuitSoundness(circuit, parameters, heightLog).least).toBeGreaterThanOrEqual(100);
    }
  }
});
