import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { QUANTITY_MAX } from '../../../journal/amounts.ts';
import { decimalOf, unitsOf } from '../../../ops/client/decimal-amount.ts';

test('a decimal number is its units and back, exactly, whatever the unit', () => {
  expect(unitsOf('101.25', '0.05')).toBe(2025);
  expect(decimalOf(2025, '0.05')).toBe('101.25');
  expect([unitsOf('0.3', '0.1'), unitsOf('7', '0.5'), unitsOf('1.10', '1.1'), unitsOf('0', '0.01')]).toEqual([
    3, 14, 1, 0,
  ]);
  expect(decimalOf(-5n, '0.01')).toBe('-0.05');
  const unit = fc.constantFrom('1', '0.01', '0.05', '0.00000001', '2.5', '1000', '0.0625');
  fc.assert(
    fc.property(fc.nat(QUANTITY_MAX), unit, (units, of) => {
      expect(unitsOf(decimalOf(units, of), of)).toBe(units);
    }),
  );
});

test('what is no whole multiple, too large or no number is refused by name', () => {
  expect(() => unitsOf('101.26', '0.05')).toThrow('decimal: "101.26" must be a whole multiple of 0.05');
  expect(() => unitsOf('1e3', '1')).toThrow('decimal: "1e3" must be a decimal number without sign or exponent');
  expect(() => unitsOf('-1', '1')).toThrow('decimal: "-1"');
  expect(() => unitsOf('1', '0.00')).toThrow('unit: "0.00" must be above zero');
  expect(() => unitsOf('2814749767106.56', '0.01')).toThrow('must be at most 2814749767106.55');
  expect(() => decimalOf(0.5, '1')).toThrow('units: 0.5 must be a whole number');
});
