import fc from 'fast-check';
import type { VenueLimits } from '../../journal/genesis.ts';
import type { RawCommand } from './raw-commands.ts';

const wide = (...likely: bigint[]) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...likely) },
    { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 64n - 1n) },
  );
const code = (likely: number[], unlikely: number[]) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...likely) },
    { weight: 1, arbitrary: fc.constantFrom(...unlikely) },
  );

const PRICES = [1n, 2n, 3n, 127n, 128n, 129n, 2n ** 32n, 2n ** 48n - 3n, 2n ** 48n - 2n, 0n];
const QUANTITIES = [1n, 2n, 3n, 5n, 8n, 2n ** 32n + 1n, 2n ** 48n - 1n, 2n ** 48n, 0n];

/** One command over so few accounts, ids, prices and sessions that unrelated draws meet. */
const commandArbitrary: fc.Arbitrary<RawCommand & { readonly wait: bigint }> = fc.record({
  op: code([1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 5, 7, 8, 8, 9, 16, 17, 22, 24, 25], [0, 6, 18, 255]),
  side: code([0, 1], [2, 3, 255]),
  type: code([0, 0, 0, 0, 1], [2, 3, 4]),
  tif: code([0, 0, 0, 1, 2], [3, 4, 5]),
  flags: code(
    [0, 0, 1, 2, 4, 6, 8, 16, 24, 32, 64, 0x0a00_0004, 0x0a00_0006],
    [128, 0x1_0000, 0x0a00_0002, 0x8000_0000],
  ),
  account: fc.constantFrom(0, 1, 2),
  symbol: code([0, 0, 0, 1], [2, 3, 0xffff_ffff]),
  id: wide(1n, 2n, 3n, 4n, 2n ** 53n),
  price: wide(...PRICES.slice(0, 8), ...PRICES),
  quantity: wide(...QUANTITIES.slice(0, 7), ...QUANTITIES),
  extra: wide(0n, 0n, 0n, 0n, 0n, 0n, 0n, 3n, 8n, 128n, 2n ** 48n - 2n),
  session: code([0, 0, 0, 1, 2], [3, 4]),
  request: code([0, 0, 1, 2, 3, 4], [5, 0xffff_ffff]),
  wait: fc.constantFrom(0n, 1n, 59_999_999_999n, 60_000_000_000n),
});

/** A venue that is soon full, with an open instrument, and a short history of commands. */
export const flowArbitrary: fc.Arbitrary<{ limits: VenueLimits; history: RawCommand[]; waits: bigint[] }> = fc
  .record({
    limits: fc.record({
      ordersMax: fc.integer({ min: 1, max: 5 }),
      levelPagesMax: fc.integer({ min: 2, max: 4 }),
      instrumentsMax: fc.integer({ min: 1, max: 3 }),
      sessionsMax: fc.integer({ min: 1, max: 2 }),
      answersPerSessionMax: fc.integer({ min: 1, max: 3 }),
    }),
    commands: fc.array(commandArbitrary, { maxLength: 60, size: 'max' }),
  })
  .map(({ limits, commands }) => ({
    limits,
    history: [{ op: 16, name: 'A' }, ...commands.map(({ wait: _wait, ...command }) => consistent(command))],
    waits: [0n, ...commands.map(({ wait }) => wait)],
  }));

/** Undoes the draws that would nearly always make the whole command void, so that short histories go deep. */
function consistent(command: RawCommand): RawCommand {
  const { op, type, session, request = 0 } = command;
  const out = { ...command };
  if (op === 1 && type === 1) out.price = 0n;
  if (op === 1 && command.flags !== 1) out.flags = (command.flags ?? 0) & ~63;
  if (op === 2 || op === 3 || op === 7 || op === 9) out.flags = 0;
  if (op === 8) out.flags = (command.flags ?? 0) & 1;
  if (op === 22) out.flags = (command.flags ?? 0) & 64;
  if (op === 4) out.flags = (command.flags ?? 0) & ~57;
  if (op === 4 && (out.flags ?? 0) > 0xff_ffff && command.extra === 0n) out.extra = command.quantity ?? 0n;
  if (op === 16) out.name = (command.id ?? 0n) % 2n === 0n ? 'A' : 'B';
  if (op === 24) out.session = 0;
  if (session === 0 || op === 24) out.request = request === 0xffff_ffff ? 1 : 0;
  return out;
}
