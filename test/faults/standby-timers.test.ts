import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { BLOCK_HEADER_WORDS } from '../../journal/block.ts';
import { hashOf } from '../../journal/chain.ts';
import { COMMAND_WORDS, type Command, Phase } from '../../journal/commands.ts';
import { decodeEvent, EVENT_WORDS, EventFlag, type VenueEvent } from '../../journal/events.ts';
import { recordsOf as recordsOfOrder } from '../../journal/order-terms.ts';
import { JournalReader } from '../../journal/reader.ts';
import { closingOf, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { VenueClient } from '../../ops/sessions/venue-client.ts';
import { encodeState } from '../../replicas/canonical-state.ts';
import { EventBuffer } from '../../replicas/event-buffer.ts';
import { createMatcher } from '../../replicas/matcher.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { recordsOf } from '../ops/two-shards.ts';

/** Nobody takes over from one that lives, however long its journal thread waits for the machine or the disk. */
const LEASE_MS = 30_000;
/** Of the timers, from just before they are set: so long that a busy machine has set all of them, and killed its server, by then. */
const DUE_MS = 1_000;
let nats: OwnNatsServer | undefined;
afterEach(async () => {
  await endAllProcesses();
  await nats?.stop();
});
afterAll(removeTemporaryFolders);

/** Sends what `commands` gives when there is a session to send it in. */
async function send(url: string, key: number, commands: () => readonly Command[]): Promise<void> {
  const connection = natsConnectionOptions(url);
  const client = await VenueClient.open({ connection, shard: 0, account: 0, key });
  const records = commands().flatMap((command) => recordsOfOrder({ account: 0, ...command }));
  const answers = await client.send(recordsOf(records), records.length);
  await client.close();
  expect(answers.map(({ reason }) => reason)).toEqual(records.map(() => 0));
}

/** An order that expires, an account whose orders are canceled and a phase that changes, all at about one time. */
function timersOf(round: number): readonly Command[] {
  const due = BigInt(Date.now() + DUE_MS) * 1_000_000n;
  const order = { op: 'new', symbol: 0, side: 'buy', price: 100, quantity: 5 } as const;
  return [
    { ...order, account: 7, id: round, tif: 'gtd', expires: due },
    { ...order, account: 8, id: round },
    { op: 'accountSet', account: 8, accountSetting: 'cancelAllAfter', value: DUE_MS * 1_000_000 },
    { op: 'schedule', symbol: 0, phase: round % 2 === 1 ? 'openingAuction' : 'continuous', value: due },
  ];
}

/** The events of the journal on a replica of its own, and its state at the end. */
function replayed(dir: string, seed: number): { events: VenueEvent[]; hash: string } {
  const reader = JournalReader.open(dir);
  const buffer = new EventBuffer(1 << 12);
  const matcher = createMatcher(reader.genesis.limits, buffer, seed);
  const events: VenueEvent[] = [];
  for (const block of reader.blocksFromSequence(1)) {
    for (let index = 0; index < block.count; index++) {
      matcher.apply(block.words, BLOCK_HEADER_WORDS + index * COMMAND_WORDS);
      buffer.drain((words, at) => events.push(decodeEvent(words.slice(at, at + EVENT_WORDS), 0)));
    }
  }
  return { events, hash: hashOf(encodeState(matcher.state)).toString('hex') };
}

test('a server that has taken over is killed when timers are due, too: each happens once, after the next take-over', async () => {
  nats = await startNatsServer();
  const { url } = nats;
  const dir = temporaryFolder();
  const serve = (...more: string[]): VeritapeProcess =>
    VeritapeProcess.serve(dir, url, '--lease-ms', String(LEASE_MS), ...more);
  let primary = serve();
  await primary.ready();
  const rounds = [1, 2];
  for (const round of rounds) {
    const standby = serve('--standby');
    await standby.logged('standing by');
    await send(url, 1 + round, () => timersOf(round));
    const setMs = Date.now();
    await primary.end('SIGKILL');
    // What is due meanwhile is nobody's until the standby serves.
    await standby.logged('ready');
    primary = standby;
    const { sequence } = JournalReader.open(dir).last;
    // One command brings the time, if no tick has.
    await pause(Math.max(1, setMs + DUE_MS - Date.now()));
    await send(url, 10 + round, () => [{ op: 'massStatus', symbol: 0, side: 'buy', quantity: 1 }]);
    expect(JournalReader.open(dir).last.sequence).toBeGreaterThan(sequence);
  }
  const closing = closingOf(await primary.end('SIGTERM'));
  const { events, hash } = replayed(dir, 1);
  const count = (matches: (event: VenueEvent) => boolean): number => events.filter(matches).length;
  for (const round of rounds) {
    expect(count(({ reason, account, id }) => reason === 'expired' && account === 7 && id === round)).toBe(1);
    expect(count(({ reason, account, id }) => reason === 'cancelAllAfter' && account === 8 && id === round)).toBe(1);
  }
  // The dead man's switch goes off once for each time that it was set.
  expect(
    count(({ type, account, slot, price }) => type === 'account' && account === 8 && slot === 8 && price === 0),
  ).toBe(2);
  const changes = events.filter(({ type, flags }) => type === 'state' && (flags & EventFlag.scheduled) === 0);
  expect(changes.map(({ slot }) => slot)).toEqual([Phase.openingAuction, Phase.continuous]);
  expect(replayed(dir, 77)).toEqual({ events, hash });
  expect(closing).toMatchObject({ stateHashes: [hash, hash] });
});
