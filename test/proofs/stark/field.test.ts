import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  addExtensions,
  DEGREE,
  type Extension,
  fromBase,
  invertExtension,
  invertExtensions,
  multiplyExtensions,
  negateExtension,
  ONE,
  powerOfExtension,
  recombine,
  scale,
  subtractExtensions,
  ZERO,
} from '../../../proofs/stark/extension.ts';
import {
  add,
  element,
  GENERATOR,
  invert,
  invertAll,
  multiply,
  negate,
  P,
  power,
  reduce,
  rootOfUnity,
  subtract,
  TWO_ADIC_GENERATOR,
  TWO_ADICITY,
} from '../../../proofs/stark/field.ts';

const p = BigInt(P);
const elements = fc.oneof(fc.constantFrom(0, 1, 2, P - 1, P - 2, 2 ** 30, 2 ** 16, 65535), fc.nat(P - 1));
const extensions = fc.tuple(elements, elements, elements, elements, elements) as fc.Arbitrary<Extension>;

test('p is 2^31 - 2^27 + 1 and prime', () => {
  expect(P).toBe(2 ** 31 - 2 ** 27 + 1);
  for (let divisor = 2; divisor * divisor <= P; divisor++) if (P % divisor === 0) throw new Error(String(divisor));
});

test('Plonky3: 31 generates the group and 0x1a427a41 its subgroup of order 2^27', () => {
  expect(power(GENERATOR, P - 1)).toBe(1);
  for (const factor of [2, 3, 5]) expect(power(GENERATOR, (P - 1) / factor)).not.toBe(1);
  expect(power(GENERATOR, (P - 1) / 2 ** TWO_ADICITY)).toBe(TWO_ADIC_GENERATOR);
  expect(power(TWO_ADIC_GENERATOR, 2 ** 26)).toBe(P - 1);
  expect(rootOfUnity(0)).toBe(1);
  expect(multiply(rootOfUnity(9), rootOfUnity(9))).toBe(rootOfUnity(8));
  expect(() => rootOfUnity(28)).toThrow(RangeError);
});

test('arithmetic agrees with BigInt', () => {
  fc.assert(
    fc.property(elements, elements, (a, b) => {
      expect(BigInt(add(a, b))).toBe((BigInt(a) + BigInt(b)) % p);
      expect(BigInt(subtract(a, b))).toBe((BigInt(a) - BigInt(b) + p) % p);
      expect(BigInt(multiply(a, b))).toBe((BigInt(a) * BigInt(b)) % p);
      expect(add(a, negate(a))).toBe(0);
      if (a !== 0) expect(multiply(a, invert(a))).toBe(1);
    }),
    { numRuns: 5_000 },
  );
  expect(() => invert(0)).toThrow(RangeError);
});

test('wide and negative integers are reduced', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (wide) => {
      expect(BigInt(reduce(wide))).toBe(BigInt(wide) % p);
      expect(element(-wide)).toBe(negate(element(wide)));
    }),
    { numRuns: 2_000 },
  );
  expect(() => element(0.5)).toThrow(RangeError);
});

test('many inverses cost one inversion', () => {
  const many = Uint32Array.from({ length: 100 }, (_, i) => power(3, i + 1));
  const inverses = Uint32Array.from(many);
  invertAll(inverses);
  expect([...inverses]).toEqual([...many].map(invert));
});

test('x^5 - 2 is irreducible: 5 divides p - 1 and 2 is no fifth power', () => {
  expect((P - 1) % 5).toBe(0);
  expect(power(2, (P - 1) / 5)).not.toBe(1);
  const x: Extension = [0, 1, 0, 0, 0];
  expect(powerOfExtension(x, 5)).toEqual(fromBase(2));
});

test('products in the extension agree with those of polynomials modulo x^5 - 2', () => {
  const naive = (a: Extension, b: Extension): number[] => {
    const wide = new Array<bigint>(2 * DEGREE - 1).fill(0n);
    for (const [i, x] of a.entries()) {
      for (const [j, y] of b.entries()) wide[i + j] = (wide[i + j] as bigint) + BigInt(x) * BigInt(y);
    }
    return [0, 1, 2, 3, 4].map((k) => Number(((wide[k] as bigint) + 2n * (wide[k + DEGREE] ?? 0n)) % p));
  };
  fc.assert(
    fc.property(extensions, extensions, (a, b) => {
      expect(multiplyExtensions(a, b)).toEqual(naive(a, b));
    }),
    { numRuns: 5_000 },
  );
});

test('the extension is a field', () => {
  fc.assert(
    fc.property(extensions, extensions, extensions, (a, b, c) => {
      expect(multiplyExtensions(a, addExtensions(b, c))).toEqual(
        addExtensions(multiplyExtensions(a, b), multiplyExtensions(a, c)),
      );
      expect(addExtensions(a, negateExtension(a))).toEqual(ZERO);
      expect(subtractExtensions(addExtensions(a, b), b)).toEqual(a);
      expect(scale(a, b[0])).toEqual(multiplyExtensions(a, fromBase(b[0])));
      if (a.some((part) => part !== 0)) expect(multiplyExtensions(a, invertExtension(a))).toEqual(ONE);
      expect(recombine([fromBase(a[0]), fromBase(a[1]), fromBase(a[2]), fromBase(a[3]), fromBase(a[4])])).toEqual(a);
    }),
  );
  const some: Extension[] = [
    [1, 2, 3, 4, 5],
    [P - 1, 0, 0, 0, 7],
    [0, 0, 0, 0, 1],
  ];
  expect(invertExtensions(some)).toEqual(some.map(invertExtension));
});
