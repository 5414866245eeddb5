import { decodeEvent, EVENT_WORDS } from '../../../journal/events.ts';
import { JournalReader } from '../../../journal/reader.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';
import { applyBlock } from '../../../replicas/replay.ts';
import { until } from '../../until.ts';
import type { LoyalClient } from './fix-loyal-client.ts';
import type { Received } from './fix-peer.ts';

/** What a replay of the venue's journal says of an account: orders accepted, and places of its trades. */
export function replayed(dir: string, account: number): { accepted: string[]; trades: string[] } {
  const reader = JournalReader.open(dir, { unflushed: true });
  const events = new EventBuffer(1024);
  const matcher = createMatcher(reader.genesis.limits, events);
  const accepted: string[] = [];
  const trades: string[] = [];
  let last = 0;
  let index = 0;
  for (const block of reader.blocks()) {
    applyBlock(matcher, block, () => {
      for (let slot = 0; slot < events.next; slot++) {
        const event = decodeEvent(events.words, slot * EVENT_WORDS);
        index = event.sequence === last ? index + 1 : 0;
        last = event.sequence;
        if (event.account !== account) continue;
        if (event.type === 'accepted') accepted.push(String(event.id));
        if (event.type === 'tradeMaker' || event.type === 'tradeTaker') trades.push(`${event.sequence}.${index}`);
      }
      events.clear();
    });
  }
  return { accepted, trades };
}

/** Resolves when a client was told of all trades that the journal has of its account. */
export async function toldAllTrades(client: LoyalClient, dir: string, account: number): Promise<void> {
  const counts = (): [told: number, journalled: number] => [
    told(client, 'F').length,
    replayed(dir, account).trades.length,
  ];
  const isAll = (): boolean => {
    const [count, journalled] = counts();
    return count >= journalled;
  };
  await until(`account ${account} is told of all its trades`, isAll, { seen: counts });
}

/** Reports of a kind that a client took. */
export function told(client: LoyalClient, execType: string): Received[] {
  return client.taken.filter(({ type, fields }) => type === '8' && fields.get(150) === execType);
}
