import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COMMAND_BYTES, COMMAND_WORDS, encodeCommand } from '../../journal/commands.ts';
import {
  ANSWER_BYTES,
  ANSWER_WORDS,
  type Answer,
  checkRequest,
  decodeAnswers,
  decodeReply,
  encodeRefusal,
  encodeReply,
  encodeRequest,
  isRefusal,
  isReply,
  MESSAGE_COMMANDS_MAX,
  MESSAGE_HEADER_BYTES,
  REQUEST_BYTES_MAX,
  type Refusal,
  ReplyStatus,
  replyBytes,
} from '../../sequencer/messages.ts';

const U32_MAX = 2 ** 32 - 1;

function records(count: number): Uint8Array {
  const words = new Uint32Array(count * COMMAND_WORDS);
  for (let index = 0; index < count; index++) {
    encodeCommand(words, index * COMMAND_WORDS, { op: 'cancel', account: 7, symbol: 3, id: index });
  }
  return new Uint8Array(words.buffer);
}

function blankReply(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(replyBytes(count));
  encodeReply(new Uint32Array(count * ANSWER_WORDS), 0, count, bytes);
  return bytes;
}

/** A good request of three commands with one thing changed. */
function changed(change: (view: DataView) => void): Uint8Array {
  const bytes = encodeRequest(5, 9, records(3));
  change(new DataView(bytes.buffer));
  return bytes;
}

test('the header of a request is read back, and the records follow it unchanged', () => {
  const commands = records(3);
  const bytes = encodeRequest(5, 9, commands);
  expect(checkRequest(bytes)).toEqual({ count: 3, session: 5, firstRequest: 9 });
  expect(bytes.subarray(MESSAGE_HEADER_BYTES)).toEqual(commands);
  expect(Buffer.from(bytes.subarray(0, MESSAGE_HEADER_BYTES)).toString('hex')).toBe(
    '5654525101000300050000000900000' + '0',
  );
});

test('a request is read wherever it begins in a larger buffer', () => {
  const bytes = encodeRequest(5, 9, records(2));
  for (let at = 0; at < 8; at++) {
    const larger = new Uint8Array(bytes.length + 8);
    larger.set(bytes, at);
    expect(checkRequest(larger.subarray(at, at + bytes.length))).toEqual({ count: 2, session: 5, firstRequest: 9 });
  }
});

test.each([
  ['one command', encodeRequest(1, 1, records(1)), { count: 1, session: 1, firstRequest: 1 }],
  ['as many as fit', encodeRequest(1, 1, records(256)), { count: 256, session: 1, firstRequest: 1 }],
  ['no session', encodeRequest(0, 0, records(2)), { count: 2, session: 0, firstRequest: 0 }],
  [
    'the last request numbers',
    encodeRequest(U32_MAX, U32_MAX - 1, records(2)),
    { count: 2, session: U32_MAX, firstRequest: U32_MAX - 1 },
  ],
])('a request is well-formed with %s', (_, bytes, header) => {
  expect(checkRequest(bytes)).toEqual(header);
});

test.each<[string, Uint8Array, Partial<Refusal>]>([
  ['nothing', new Uint8Array(0), { field: 'length', value: 0 }],
  ['garbage', new TextEncoder().encode('hello'), { field: 'length', value: 5 }],
  ['a header alone', encodeRequest(1, 1, new Uint8Array(0)), { field: 'length', value: 16 }],
  ['half a record', encodeRequest(1, 1, records(1)).subarray(0, 48), { field: 'length', value: 48 }],
  ['a record less a byte', encodeRequest(1, 1, records(1)).subarray(0, 79), { field: 'length', value: 79 }],
  ['two and a half records', encodeRequest(5, 9, records(3)).subarray(0, 176), { field: 'count', value: 3 }],
  [
    'one record too many',
    encodeRequest(1, 1, records(257)),
    { field: 'length', value: REQUEST_BYTES_MAX + COMMAND_BYTES },
  ],
  ['a byte too many', new Uint8Array(REQUEST_BYTES_MAX + 1), { field: 'length', value: REQUEST_BYTES_MAX + 1 }],
  ['zeros', new Uint8Array(80), { field: 'magic', value: 0 }],
  [
    'the magic of a reply',
    changed((view) => view.setUint32(0, 0x5052_5456, true)),
    { field: 'magic', value: 0x5052_5456 },
  ],
  ['the other byte order', changed((view) => view.setUint32(0, 0x5152_5456, false)), { field: 'magic' }],
  ['version 0', changed((view) => view.setUint16(4, 0, true)), { field: 'version', value: 0 }],
  ['version 2', changed((view) => view.setUint16(4, 2, true)), { field: 'version', value: 2 }],
  ['a count of none', changed((view) => view.setUint16(6, 0, true)), { field: 'count', value: 0 }],
  ['a count too low', changed((view) => view.setUint16(6, 2, true)), { field: 'count', value: 2 }],
  ['a count too high', changed((view) => view.setUint16(6, 65_535, true)), { field: 'count', value: 65_535 }],
  ['a request number without session', encodeRequest(0, 1, records(1)), { field: 'firstRequest', value: 1 }],
  ['a session without request number', encodeRequest(1, 0, records(1)), { field: 'firstRequest', value: 0 }],
  [
    'request numbers past the last',
    encodeRequest(1, U32_MAX - 1, records(3)),
    { field: 'firstRequest', value: U32_MAX - 1 },
  ],
])('%s is malformed, and the refusal names the field and its value', (_, bytes, expected) => {
  const refusal = checkRequest(bytes);
  expect(refusal).toMatchObject({ error: 'malformed', rule: expect.any(String), ...expected });
  expect(decodeReply(encodeRefusal(refusal as Refusal))).toEqual(refusal);
});

test('no bytes at all make the check throw, and only a header that fits the length passes', () => {
  const mostly = <T>(likely: fc.Arbitrary<T>, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
    fc.oneof({ weight: 9, arbitrary: likely }, { weight: 1, arbitrary: other });
  const header = fc.record({
    magic: mostly(fc.constant(0x5152_5456), fc.nat(U32_MAX)),
    version: mostly(fc.constant(1), fc.nat(65_535)),
    count: mostly(fc.constantFrom(1, 2, 3, 255, 256), fc.constantFrom(0, 257, 65_535)),
    session: fc.oneof(fc.constant(0), fc.nat(U32_MAX)),
    first: fc.oneof(fc.constantFrom(0, 1, U32_MAX, U32_MAX - 1), fc.nat(U32_MAX)),
    spare: mostly(fc.constant(0), fc.integer({ min: -200, max: 200 })),
  });
  let passed = 0;
  fc.assert(
    fc.property(header, fc.nat(7), ({ magic, version, count, session, first, spare }, at) => {
      const length = Math.max(0, MESSAGE_HEADER_BYTES + count * COMMAND_BYTES + spare);
      const bytes = new Uint8Array(Math.max(length, MESSAGE_HEADER_BYTES) + 8).subarray(at);
      const view = new DataView(bytes.buffer, at);
      view.setUint32(0, magic, true);
      view.setUint16(4, version, true);
      view.setUint16(6, count, true);
      view.setUint32(8, session, true);
      view.setUint32(12, first, true);
      const outcome = checkRequest(bytes.subarray(0, length));
      const sound =
        magic === 0x5152_5456 &&
        version === 1 &&
        count >= 1 &&
        count <= MESSAGE_COMMANDS_MAX &&
        spare === 0 &&
        (session === 0 ? first === 0 : first >= 1 && first + count - 1 <= U32_MAX);
      if (sound) passed++;
      return isRefusal(outcome) === !sound;
    }),
    { numRuns: 5000 },
  );
  expect(passed).toBeGreaterThan(100);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => isRefusal(checkRequest(bytes))),
    { numRuns: 2000 },
  );
});

test('answers are read back, the largest numbers included', () => {
  const answers: Answer[] = [
    { sequence: 1, open: 0, traded: 0, reason: 0, repeat: false },
    { sequence: Number.MAX_SAFE_INTEGER, open: 2 ** 48 - 1, traded: 2 ** 53 - 1, reason: 255, repeat: true },
    { sequence: 2 ** 32, open: 2 ** 32 - 1, traded: 2 ** 32 + 1, reason: 36, repeat: false },
  ];
  const bytes = blankReply(answers.length);
  const view = new DataView(bytes.buffer);
  for (const [index, answer] of answers.entries()) {
    const at = MESSAGE_HEADER_BYTES + index * ANSWER_BYTES;
    view.setBigUint64(at, BigInt(answer.sequence), true);
    view.setBigUint64(at + 8, BigInt(answer.open), true);
    view.setBigUint64(at + 16, BigInt(answer.traded), true);
    view.setUint8(at + 24, answer.reason);
    view.setUint8(at + 25, answer.repeat ? 1 : 0);
  }
  expect(decodeReply(bytes)).toEqual(answers);
  // A message of the client library begins anywhere in a buffer that holds others too.
  for (let offset = 0; offset < 8; offset++) {
    const larger = Buffer.alloc(bytes.length + 16, 0xaa);
    larger.set(bytes, offset);
    expect(decodeReply(larger.subarray(offset, offset + bytes.length))).toEqual(answers);
  }
});

test('a reply is written whole into memory that held something else', () => {
  const memory = new Uint8Array(4 + replyBytes(2)).fill(0xaa);
  const answers = Uint32Array.from({ length: 3 * ANSWER_WORDS }, (_, word) => (word % ANSWER_WORDS < 6 ? word : 0));
  const reply = memory.subarray(4);
  encodeReply(answers, ANSWER_WORDS, 2, reply);
  expect(decodeReply(reply)).toEqual(decodeAnswers(answers, ANSWER_WORDS, 2));
  expect([...reply.subarray(8, MESSAGE_HEADER_BYTES)]).toEqual(Array(8).fill(0));
  expect([...memory.subarray(0, 4)]).toEqual(Array(4).fill(0xaa));
});

test.each(Object.keys(ReplyStatus).filter((status) => status !== 'ok') as Refusal['error'][])(
  'a refusal is read back: %s',
  (error) => {
    const refusal: Refusal = { error, field: 'a field', value: 'ünï "quoted"\n', rule: 'a rule' };
    const bytes = encodeRefusal(refusal);
    expect(isReply(bytes)).toBe(true);
    expect(new DataView(bytes.buffer).getUint16(8, true)).toBe(ReplyStatus[error]);
    expect(decodeReply(bytes)).toEqual(refusal);
  },
);

test.each([
  ['nothing', new Uint8Array(0)],
  ['less than a header', blankReply(0).subarray(0, 15)],
  ['a request', encodeRequest(1, 1, records(1))],
  ['another version', blankReply(1).fill(2, 4, 5)],
  ['an answer cut off', blankReply(2).subarray(0, -1)],
  ['an answer too many', new Uint8Array([...blankReply(1), ...new Uint8Array(ANSWER_BYTES)])],
])('a client is told when what came is no reply: %s', (_, bytes) => {
  expect(() => decodeReply(bytes)).toThrow(RangeError);
});

test('what begins like a reply is told from a block and from what is too short', () => {
  expect(isReply(blankReply(0))).toBe(true);
  expect(isReply(blankReply(0).subarray(0, 15))).toBe(false);
  expect(isReply(new Uint8Array(0))).toBe(false);
  expect(isReply(encodeRequest(1, 1, records(1)))).toBe(false);
});
