import { describe, expect, test } from '@jest/globals';
import { createPlainKernels } from '../../../proofs/stark/kernels/plain-kernels.ts';
import { usableRows } from '../../../proofs/stark/parameters.ts';
import { VerificationError } from '../../../proofs/stark/proof-encoding.ts';
import { prove } from '../../../proofs/stark/prover.ts';
import { verify } from '../../../proofs/stark/verifier.ts';
import { SAMPLES } from './circuits.ts';
import { wordsFrom } from './random-elements.ts';

const OPEN = { name: 'open', blowUpLog: 2, queries: 4, grindingBits: 2, hiddenRows: 0 };
const HIDDEN = { ...OPEN, name: 'hidden', hiddenRows: 16 };
const FLIPS = Number(process.env['VERITAPE_FUZZ_FLIPS'] ?? 4_000);
/** A refusal may take as long as an acceptance, and the machine may be busy. */
const MS_MAX = 20_000;

describe.each([OPEN, HIDDEN])('$name proofs', (parameters) => {
  describe.each(SAMPLES)('$name', (sample) => {
    const circuit = sample.build();
    const { columns, publics } = sample.honest(usableRows(6, parameters));
    const proof = prove(circuit, parameters, columns, publics, createPlainKernels(circuit));

    const refuse = (bytes: Uint8Array, claimed: readonly number[] = publics): void => {
      const start = performance.now();
      let thrown: unknown;
      try {
        verify(circuit, parameters, { publics: claimed }, bytes);
      } catch (error) {
        thrown = error;
      }
      if (!(thrown instanceof VerificationError)) throw new Error(`not refused: ${String(thrown)}`);
      const tookMs = performance.now() - start;
      // Without `expect`, which takes longer than the verifier.
      if (tookMs > MS_MAX) throw new Error(`refused only after ${tookMs} ms`);
    };

    test('is itself accepted', () => {
      expect(() => verify(circuit, parameters, { publics }, proof)).not.toThrow();
    });

    test('with any one bit changed is refused', () => {
      const bits = proof.length * 8;
      // Every bit of the head, then as many others, spread evenly.
      const places = [...Array(64).keys(), ...wordsFrom(1, FLIPS).map((word) => word % bits)];
      for (const place of places) {
        const changed = Uint8Array.from(proof);
        changed[place >> 3] = (changed[place >> 3] as number) ^ (1 << (place & 7));
        refuse(changed);
      }
    });

    test('cut, lengthened, emptied or exchanged for noise is refused', () => {
      for (const word of wordsFrom(2, 60)) refuse(proof.subarray(0, word % proof.length));
      for (const more of [1, 2, 4, 32, 4_096]) refuse(Uint8Array.from([...proof, ...new Uint8Array(more)]));
      refuse(new Uint8Array(0));
      refuse(new Uint8Array(proof.length));
      refuse(new Uint8Array(wordsFrom(3, proof.length / 4).buffer));
    });

    test('with parts exchanged, removed or doubled is refused', () => {
      const words = wordsFrom(4, 240);
      for (let i = 0; i < words.length; i += 3) {
        const [from, to, length] = [...words.subarray(i, i + 3)].map((word) => (word % (proof.length / 4)) * 4) as [
          number,
          number,
          number,
        ];
        const part = proof.subarray(from, from + (length % 256) + 4);
        if (Buffer.compare(part, proof.subarray(to, to + part.length)) === 0) continue;
        const copied = Uint8Array.from(proof);
        copied.set(part.subarray(0, copied.length - to), to);
        if (Buffer.compare(copied, proof) !== 0) refuse(copied);
        refuse(Uint8Array.from([...proof.subarray(0, from), ...proof.subarray(from + part.length)]));
        refuse(Uint8Array.from([...proof.subarray(0, to), ...part, ...proof.subarray(to)]));
      }
    });

    test('for any other public input is refused', () => {
      for (const [i, value] of publics.entries()) {
        for (let bit = 0; bit < 31; bit++) refuse(proof, publics.with(i, (value ^ (1 << bit)) >>> 0));
      }
      refuse(proof, [...publics, 0]);
    });
  });
});
