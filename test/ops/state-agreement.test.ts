import { expect, test } from '@jest/globals';
import type { ChainPoint } from '../../journal/segments.ts';
import { StateAgreement } from '../../ops/venue/state-agreement.ts';
import { DIGESTS_TOLD_MAX, decodeVenueState, StateLedger, type VenueState } from '../../sequencer/venue-state.ts';

const GENESIS = Buffer.alloc(32, 9);

function hashOf(block: number): Buffer {
  return Buffer.alloc(32, block);
}

function pointAt(block: number, epoch = 2): ChainPoint {
  return { block, sequence: block * 10, epoch, timeLow: 0, timeHigh: 0, hash: hashOf(block) };
}

function stateAt(block: number, more: Partial<VenueState> = {}): VenueState {
  return {
    shard: 0,
    genesisHash: GENESIS.toString('hex'),
    epoch: 2,
    block,
    chainHash: hashOf(block).toString('hex'),
    sequence: block * 10,
    digestEvery: 4096,
    digests: [],
    states: [],
    ...more,
  };
}

/** Of a copy that holds ten blocks, of which it remembers none. */
function agreement(): StateAgreement {
  return new StateAgreement(GENESIS, (block) => (block <= 10 ? hashOf(block).toString('hex') : undefined));
}

test('whichever side is first, equal values are counted and different ones are told', () => {
  const one = agreement();
  expect(one.digest(4096, 7)).toBeUndefined();
  expect(
    one.heard(
      stateAt(10, {
        digests: [
          [4096, 7],
          [8192, 8],
        ],
      }),
      pointAt(10),
    ),
  ).toBeUndefined();
  expect(one.told).toBe(8192);
  expect(one.digest(8192, 8)).toBeUndefined();
  expect(one.state(9000, 'aa')).toBeUndefined();
  expect(
    one.heard(
      stateAt(10, {
        states: [
          [9000, 'aa'],
          [9500, 'bb'],
        ],
      }),
      pointAt(10),
    ),
  ).toBeUndefined();
  expect(one.agreed).toEqual({ digests: 2, digestsOwn: 2, states: 1, sequence: 9000, block: 10 });
  expect(one.state(9500, 'bc')).toBe('the state after sequence 9500 has another hash here than at the venue');

  const other = agreement();
  other.digest(4096, 6);
  expect(other.heard(stateAt(10, { digests: [[4096, 7]] }), pointAt(10))).toBe(
    'the events of the 4096 commands up to sequence 4096 have digest 6 here and 7 at the venue',
  );
  expect(other.agreed.digests).toBe(0);
});

test('a block told before it came is compared when it comes, and one that came before from the copy', () => {
  const one = agreement();
  expect(one.heard(stateAt(12), pointAt(10))).toBeUndefined();
  expect(one.block(11, hashOf(11))).toBeUndefined();
  expect(one.agreed.block).toBe(0);
  expect(one.block(12, hashOf(12))).toBeUndefined();
  expect(one.agreed.block).toBe(12);
  expect(one.heard(stateAt(13), pointAt(12))).toBeUndefined();
  expect(one.block(13, hashOf(1))).toMatch(
    /^block 13 has chain hash 01.* here and 0d.* at the venue: the chains fork$/,
  );
  expect(agreement().heard(stateAt(10, { chainHash: hashOf(3).toString('hex') }), pointAt(10))).toMatch(
    /^block 10 has/,
  );
});

test('a venue that ends before the copy has lost its end, unless it is a fenced server; its chain must fit in any case', () => {
  expect(agreement().heard(stateAt(8), pointAt(10))).toBe(
    "the venue's journal ends with block 8, before block 10 that it had published: it has lost its end",
  );
  expect(agreement().heard(stateAt(8, { epoch: 1 }), pointAt(10))).toBeUndefined();
  const other = { epoch: 1, chainHash: hashOf(7).toString('hex') };
  expect(agreement().heard(stateAt(8, other), pointAt(10))).toMatch(/the chains fork/);
  expect(agreement().heard(stateAt(12, { genesisHash: '00'.repeat(32) }), pointAt(10))).toMatch(/another venue's$/);
});

test('a ledger keeps the newest, and tells what is after a sequence', () => {
  const ledger = new StateLedger();
  for (let window = 1; window <= DIGESTS_TOLD_MAX + 5; window++) ledger.digest(window * 4096, window);
  expect(ledger.after(0).digests).toHaveLength(DIGESTS_TOLD_MAX);
  expect(ledger.after(0).digests[0]).toEqual([6 * 4096, 6]);
  expect(ledger.after(DIGESTS_TOLD_MAX * 4096).digests).toHaveLength(5);
  expect(ledger.after(Number.NaN)).toEqual({ digests: [], states: [] });
});

test('what is told is read back, and what is not as it should be is refused by its field', () => {
  const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
  const state = stateAt(10, { digests: [[4096, 7]], states: [[5, 'ab'.repeat(32)]] });
  expect(decodeVenueState(bytes(state))).toEqual(state);
  const wrong: Record<string, unknown> = {
    shard: -1,
    genesisHash: 'ab',
    epoch: 1.5,
    block: '1',
    chainHash: null,
    sequence: 2 ** 60,
    digestEvery: undefined,
    digests: [[1]],
    states: [[1, 'xx']],
  };
  for (const [field, value] of Object.entries(wrong))
    expect(() => decodeVenueState(bytes({ ...state, [field]: value }))).toThrow(new RegExp(`^${field}: `));
  for (const odd of ['', 'null', '[', '"x"']) expect(() => decodeVenueState(Buffer.from(odd))).toThrow(RangeError);
});
