import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const IMPORT = /^(?:import|export)\s(?!type\b)[^;]*?from '([^']+)'/gm;

/** Everything that a file imports when it runs, directly or not. */
function imports(url: URL, known = new Set<string>()): Set<string> {
  for (const [, specifier = ''] of readFileSync(url, 'utf8').matchAll(IMPORT)) {
    const name = specifier.startsWith('.') ? new URL(specifier, url).href : specifier;
    if (known.has(name)) continue;
    known.add(name);
    if (specifier.startsWith('.')) imports(new URL(specifier, url), known);
  }
  return known;
}

test('the verifier imports nothing but its own files, none of the prover and none of Node', () => {
  const all = [...imports(new URL('../../../proofs/stark/verifier.ts', import.meta.url))];
  const names = all.map((name) => name.slice(name.lastIndexOf('/') + 1)).sort();
  expect(all.filter((name) => !name.includes('/proofs/'))).toEqual([]);
  expect(all.filter((name) => name.includes('/kernels/'))).toEqual([]);
  expect(names).not.toContain('prover.ts');
  expect(names).toContain('blake3.ts');
});
