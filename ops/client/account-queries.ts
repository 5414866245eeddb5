import { setTimeout as delay } from 'node:timers/promises';
import type { Refusal } from '../../sequencer/messages.ts';
import type { OpenOrder } from '../reports/open-order.ts';
import { NotPermitted } from '../sessions/reply-inbox.ts';
import { ClientError, type VenueClient } from '../sessions/venue-client.ts';

/** What an account has on a shard, exactly as after the command with that sequence. */
export interface AccountBalances {
  readonly sequence: number;
  readonly shard: number;
  /** By asset; what is missing the account never had. */
  readonly assets: ReadonlyMap<number, AssetBalance>;
}

/** Whole units of an asset. */
export interface AssetBalance {
  readonly available: bigint;
  /** By the account's live orders. */
  readonly held: bigint;
}

/** The orders that an account has open on a shard, exactly as after the command with that sequence. */
export interface OpenOrders {
  readonly sequence: number;
  readonly shard: number;
  readonly orders: readonly OpenOrder[];
}

export interface AccountAsked {
  readonly account: number;
  /** In an open venue anything. */
  readonly identity: string;
  /** Not before the command with this sequence. */
  readonly atLeast: number;
  readonly signal?: AbortSignal | undefined;
}

interface Page {
  readonly sequence: number;
  readonly next: number | null;
}

interface BalancesPage extends Page {
  readonly balances: readonly { readonly asset: number; readonly available: string; readonly held: string }[];
}

interface OrdersPage extends Page {
  readonly orders: readonly OpenOrder[];
}

const PAGE_ITEMS = 500;
const ANSWER_MS_MAX = 5_000;
const GIVE_UP_MS = 15_000;
const RETRY_MS = 50;

/** Rejects like {@link askOpenOrders}. */
export async function askBalances(client: VenueClient, asked: AccountAsked): Promise<AccountBalances> {
  const pages = await askPages<BalancesPage>(client, 'balances', asked);
  const assets = new Map<number, AssetBalance>();
  for (const { asset, available, held } of pages.flatMap(({ balances }) => balances))
    assets.set(asset, { available: BigInt(available), held: BigInt(held) });
  return { sequence: sequenceOf(pages), shard: client.info.shard, assets };
}

/** Rejects with a {@link ClientError} if nobody answers in time, or only at several sequences. */
export async function askOpenOrders(client: VenueClient, asked: AccountAsked): Promise<OpenOrders> {
  const pages = await askPages<OrdersPage>(client, 'orders', asked);
  return {
    sequence: sequenceOf(pages),
    shard: client.info.shard,
    orders: pages.flatMap(({ orders }) => orders),
  };
}

function sequenceOf(pages: readonly Page[]): number {
  return pages[0]?.sequence ?? 0;
}

/** Asks a follower with `--queries`. Pages are put together only if all of them are of one sequence; else it is begun again. */
async function askPages<P extends Page>(client: VenueClient, query: string, asked: AccountAsked): Promise<P[]> {
  const until = performance.now() + GIVE_UP_MS;
  for (;;) {
    asked.signal?.throwIfAborted();
    let why: string;
    try {
      const pages = await readPages<P>(client, query, asked);
      if (typeof pages !== 'string') return pages;
      why = pages;
    } catch (error) {
      if (error instanceof ClientError) throw error;
      if (error instanceof NotPermitted) throw new ClientError(error.message);
      why = error instanceof Error ? error.message : String(error);
    }
    if (performance.now() > until)
      throw new ClientError(`${query}: no answer from a follower with --queries of shard ${client.info.shard}: ${why}`);
    await delay(RETRY_MS, undefined, { signal: asked.signal });
  }
}

/** Why not, if asking again may help. */
async function readPages<P extends Page>(
  client: VenueClient,
  query: string,
  { account, identity, atLeast }: AccountAsked,
): Promise<P[] | string> {
  const subject = `veritape.${client.info.shard}.${query}.${identity}.${account}`;
  const pages: P[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const fields = JSON.stringify({ after, limit: PAGE_ITEMS, atLeast });
    const reply = await client.ask(subject, new TextEncoder().encode(fields), ANSWER_MS_MAX);
    const page = JSON.parse(new TextDecoder().decode(reply)) as P | Refusal;
    if ('error' in page) {
      const why = `${page.error}: ${page.rule}`;
      if (page.error === 'busy' || page.error === 'unavailable') return why;
      throw new ClientError(`${query}: ${why}`);
    }
    if (page.sequence !== (pages[0] ?? page).sequence) return 'its pages were of several sequences';
    pages.push(page);
    after = page.next;
  }
  return pages;
}
