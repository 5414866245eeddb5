import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { COMMAND_WORDS, type Command, decodeCommand } from '../../journal/commands.ts';
import { openFlowSource, SOURCE_BATCH_COMMANDS } from '../../ops/flows/flow-source.ts';
import { removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';

afterAll(removeTemporaryFolders);

test('a line with several terms is several records, in order, also where a batch ends between them', async () => {
  const file = join(temporaryFolder(), 'brackets.ndjson');
  const common = { op: 'new', symbol: 'ACME', account: 7, side: 'sell', qty: 5 };
  const lines = Array.from({ length: 200 }, (_, id) => [
    { ...common, id: 2 * id, price: 100 },
    { ...common, id: 2 * id + 1, type: 'stop', stopPrice: 9, minQty: 2, cancels: 2 * id },
  ]).flat();
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const instruments = { known: new Map([['ACME', 3]]), create: undefined };
  const source = await openFlowSource(file, { accounts: 1, instruments });
  const commands: Command[] = [];
  for await (const { words, count } of source.batches) {
    expect(count).toBeLessThanOrEqual(SOURCE_BATCH_COMMANDS);
    for (let index = 0; index < count; index++) commands.push(decodeCommand(words, index * COMMAND_WORDS));
  }
  const told = commands.map(({ op, id, term, value }) => [op, id, term, value]);
  expect(told).toEqual(
    Array.from({ length: 200 }, (_, id) => [
      ['new', 2 * id, undefined, undefined],
      ['terms', 2 * id + 1, 'stopPrice', 9],
      ['terms', 2 * id + 1, 'minQty', 2],
      ['new', 2 * id + 1, 'cancels', 2 * id],
    ]).flat(),
  );
});
