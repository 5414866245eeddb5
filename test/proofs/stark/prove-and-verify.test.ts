import { afterAll, describe, expect, test } from '@jest/globals';
import type { Circuit } from '../../../proofs/stark/constraints.ts';
import { CircuitBuilder } from '../../../proofs/stark/constraints.ts';
import { add } from '../../../proofs/stark/field.ts';
import type { ProverKernels } from '../../../proofs/stark/kernels/kernels.ts';
import { createPlainKernels } from '../../../proofs/stark/kernels/plain-kernels.ts';
import { usableRows } from '../../../proofs/stark/parameters.ts';
import { VerificationError } from '../../../proofs/stark/proof-encoding.ts';
import { prove } from '../../../proofs/stark/prover.ts';
import { verify } from '../../../proofs/stark/verifier.ts';
import { type Claim, SAMPLES } from './circuits.ts';

const OPEN = { name: 'open', blowUpLog: 2, queries: 12, grindingBits: 3, hiddenRows: 0 };
const HIDDEN = { ...OPEN, name: 'hidden', hiddenRows: 16 };

const accepts = (circuit: Circuit, { columns, publics }: Claim, parameters = OPEN): boolean => {
  const proof = prove(circuit, parameters, columns, publics, createPlainKernels(circuit));
  try {
    verify(circuit, parameters, { publics }, proof);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(VerificationError);
    return false;
  }
};

describe.each([OPEN, HIDDEN])('$name', (parameters) => {
  describe.each(SAMPLES)('$name', (sample) => {
    const rows = usableRows(6, parameters);

    test('an honest proof is accepted', () => {
      expect(accepts(sample.build(), sample.honest(rows), parameters)).toBe(true);
    });

    test.each(Object.entries(sample.dishonest))('%s is refused, but not without the rule', (_, lie) => {
      expect(accepts(sample.build(), lie.claim(rows), parameters)).toBe(false);
      expect(accepts(sample.build(lie.without), lie.claim(rows), parameters)).toBe(true);
    });
  });
});

describe('heights and blow-ups', () => {
  const [fibonacci] = SAMPLES as [(typeof SAMPLES)[number]];
  test.each([4, 5, 6, 8, 9])('2^%i rows', (heightLog) => {
    expect(accepts(fibonacci.build(), fibonacci.honest(2 ** heightLog))).toBe(true);
  });
  test.each([1, 3, 4])('blow-up 2^%i', (blowUpLog) => {
    expect(accepts(fibonacci.build(), fibonacci.honest(64), { ...OPEN, blowUpLog })).toBe(true);
  });
  test('other traces than 2^k rows and the hidden ones are refused', () => {
    expect(() => accepts(fibonacci.build(), fibonacci.honest(48))).toThrow(RangeError);
    expect(() => accepts(fibonacci.build(), fibonacci.honest(8))).toThrow(RangeError);
    expect(() => accepts(fibonacci.build(), fibonacci.honest(16), HIDDEN)).toThrow(RangeError);
  });
});

/** A prover that follows the protocol but for one step. */
describe('a prover that cheats in the protocol', () => {
  const build = (): Circuit => {
    const circuit = new CircuitBuilder('a spare column', 1);
    const a = circuit.column('a');
    circuit.column('spare');
    circuit.onTransition('a counts', a.next().minus(a).minus(1));
    return circuit.build();
  };
  const circuit = build();
  const columns = [Uint32Array.from({ length: 256 }, (_, i) => i), new Uint32Array(256).fill(7)];
  const refusal = (cheat: (honest: ProverKernels) => Partial<ProverKernels>): string => {
    const honest = createPlainKernels(circuit);
    const proof = prove(circuit, OPEN, columns, [], { ...honest, ...cheat(honest) });
    try {
      verify(circuit, OPEN, { publics: [] }, proof);
      return 'accepted';
    } catch (error) {
      return error instanceof VerificationError ? error.message : String(error);
    }
  };

  test('honest, it is accepted', () => expect(refusal(() => ({}))).toBe('accepted'));

  test('a false opening of a column that no constraint looks at', () => {
    const open: (honest: ProverKernels) => ProverKernels['open'] = (honest) => (coefficients, point) => {
      const [first, lie, ...others] = honest.open(coefficients, point);
      if (first === undefined || lie === undefined || others.length > 0) return honest.open(coefficients, point);
      return [first, [add(lie[0], 1), lie[1], lie[2], lie[3], lie[4]]];
    };
    expect(refusal((honest) => ({ open: open(honest) }))).toBe(
      'a folded word that does not follow from the one before',
    );
  });

  test('a word that is folded falsely', () => {
    const cheat = (honest: ProverKernels): Partial<ProverKernels> => ({
      fold(polynomial, challenge, into) {
        honest.fold(polynomial, challenge, into);
        into.words[0] = add(into.words[0] as number, 1);
      },
    });
    expect(refusal(cheat)).toMatch(/does not follow/);
  });

  test('a trace of too high degree', () => {
    const cheat = (honest: ProverKernels): Partial<ProverKernels> => {
      let calls = 0;
      return {
        evaluate(coefficients, into, shift) {
          honest.evaluate(coefficients, into, shift);
          // The second coset is of another polynomial.
          if (coefficients.columns === 2 && calls++ === 1) into.words.fill(3, into.stride);
        },
      };
    };
    expect(refusal(cheat)).toMatch(/does not follow/);
  });

  test('no work in the nonce', () => {
    expect(refusal((honest) => ({ grind: (...given) => honest.grind(...given) + 1 }))).toBe(
      'too little work in the nonce',
    );
  });
});

describe('what a proof is bound to', () => {
  const [fibonacci] = SAMPLES as [(typeof SAMPLES)[number]];
  const circuit = fibonacci.build();
  const { columns, publics } = fibonacci.honest(64);
  const kernels = createPlainKernels(circuit);
  const proof = prove(circuit, OPEN, columns, publics, kernels);
  afterAll(() => kernels.close());

  test('its column groups have one root each, whatever the others hold', () => {
    const { commitments, heightLog } = verify(circuit, OPEN, { publics }, proof);
    expect(heightLog).toBe(6);
    expect(Object.keys(commitments)).toEqual(['trace', 'later']);
    expect(() => verify(circuit, OPEN, { publics, commitments }, proof)).not.toThrow();
    const [first] = columns as [Uint32Array];
    const other = prove(circuit, OPEN, [first, first], publics, kernels);
    const roots = (bytes: Uint8Array): string[] =>
      [0, 1].map((i) => Buffer.from(bytes.subarray(40 + i * 32, 72 + i * 32)).toString('hex'));
    expect(roots(other)[0]).toBe(roots(proof)[0]);
    expect(roots(other)[1]).not.toBe(roots(proof)[1]);
  });

  test('another commitment than the statement names is refused', () => {
    const { commitments } = verify(circuit, OPEN, { publics }, proof);
    const other = Uint32Array.from(commitments['later'] as Uint32Array);
    other[7] = (other[7] as number) ^ 1;
    for (const wrong of [{ later: other }, { nobody: other }, { toString: other }, { later: new Uint32Array(3) }]) {
      expect(() => verify(circuit, OPEN, { publics, commitments: wrong }, proof)).toThrow(VerificationError);
    }
  });

  test('a proof is for the context it was made in', () => {
    const context = Uint32Array.of(1, 2);
    const bound = prove(circuit, OPEN, columns, publics, kernels, { context });
    expect(() => verify(circuit, OPEN, { publics, context }, bound)).not.toThrow();
    for (const other of [undefined, Uint32Array.of(1), Uint32Array.of(1, 3), Uint32Array.of(1, 2, 0)]) {
      const statement = other === undefined ? { publics } : { publics, context: other };
      expect(() => verify(circuit, OPEN, statement, bound)).toThrow(VerificationError);
    }
  });

  test('another circuit, other parameters, other public inputs are refused', () => {
    expect(() => verify(fibonacci.build(['b ends']), OPEN, { publics }, proof)).toThrow('another circuit');
    for (const other of [
      { ...OPEN, queries: 11 },
      { ...OPEN, queries: 13 },
      { ...OPEN, blowUpLog: 3 },
      { ...OPEN, grindingBits: 2 },
      HIDDEN,
    ]) {
      expect(() => verify(circuit, other, { publics }, proof)).toThrow(VerificationError);
    }
    for (const other of [[], [1, 1], [...publics, 0], [1, 2, publics[2]], [1, 1, -1], [1, 1, 0.5], [1, 1, 2 ** 31]]) {
      expect(() => verify(circuit, OPEN, { publics: other as number[] }, proof)).toThrow(VerificationError);
    }
  });
});
