import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { GatewayStore } from '../../../ops/fix/gateway-store.ts';
import type { OrderRecord } from '../../../ops/fix/order-records.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';

afterAll(removeTemporaryFolders);

const PEER = 'FIRM7';
const KEPT = 500;
/** Old ones are looked for once in so many. */
const LOOK = 1_024;

test('the oldest orders that are done, and mass cancels, are forgotten with all of their ClOrdIDs', async () => {
  const store = GatewayStore.open(join(temporaryFolder(), 'gateway.lmdb'), { shard: 0 }, Date.now(), KEPT);
  const done = (id: number): void => {
    store.keepClOrdId(PEER, `new-${id}`, id, 0);
    store.keepClOrdId(PEER, `replace-${id}`, id, 1);
    store.keepDone(PEER, { id, names: 2 } as unknown as OrderRecord);
  };
  const massCancel = (id: number): void => {
    store.nameMassCancel(PEER, `mass-${id}`);
    store.keepMassCancel(PEER, `mass-${id}`, { accounts: 1, waiting: 0, canceled: 0, refusals: [] });
  };
  const each = async (from: number, to: number): Promise<void> => {
    for (let id = from; id <= to; id++) {
      done(id);
      massCancel(id);
    }
    await store.settled();
  };
  await each(1, LOOK - 1);
  expect([store.orderIdOf(PEER, 'new-1'), store.orderIdOf(PEER, 'mass-1')]).toEqual([1, 0]);
  await each(LOOK, LOOK);
  const last = LOOK - KEPT - 1;
  const forgotten = ['new-1', 'replace-1', 'mass-1', `replace-${last}`, `mass-${last}`];
  expect(forgotten.map((id) => store.orderIdOf(PEER, id))).toEqual(forgotten.map(() => undefined));
  expect([store.doneOrder(PEER, 1), store.massCancel(PEER, 'mass-1')]).toEqual([undefined, undefined]);
  expect(store.orderIdOf(PEER, `replace-${last + 1}`)).toBe(last + 1);
  expect(store.massCancel(PEER, `mass-${last + 1}`)).toBeDefined();
  await store.close();
});
