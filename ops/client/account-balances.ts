import { setTimeout as delay } from 'node:timers/promises';
import type { Refusal } from '../../sequencer/messages.ts';
import { NotPermitted } from '../reply-inbox.ts';
import { ClientError, type VenueClient } from '../venue-client.ts';

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

export interface BalancesAsked {
  readonly account: number;
  /** In an open venue anything. */
  readonly identity: string;
  /** Not before the command with this sequence. */
  readonly atLeast: number;
  readonly signal?: AbortSignal | undefined;
}

interface Page {
  readonly sequence: number;
  readonly balances: readonly { readonly asset: number; readonly available: string; readonly held: string }[];
  readonly next: number | null;
}

const PAGE_BALANCES = 500;
const ANSWER_MS_MAX = 5_000;
const GIVE_UP_MS = 15_000;
const RETRY_MS = 50;

/**
 * Asks a follower with `--queries`. Pages are put together only if all of them are of one sequence; else it is begun again. Rejects
 * with a {@link ClientError} if nobody answers in time.
 */
export async function askBalances(client: VenueClient, asked: BalancesAsked): Promise<AccountBalances> {
  const { shard } = client.info;
  const until = performance.now() + GIVE_UP_MS;
  for (;;) {
    asked.signal?.throwIfAborted();
    let why: string;
    try {
      const told = await readPages(client, asked);
      if (typeof told !== 'string') return { ...told, shard };
      why = told;
    } catch (error) {
      if (error instanceof ClientError) throw error;
      if (error instanceof NotPermitted) throw new ClientError(error.message);
      why = error instanceof Error ? error.message : String(error);
    }
    if (performance.now() > until)
      throw new ClientError(`balances: no answer from a follower with --queries of shard ${shard}: ${why}`);
    await delay(RETRY_MS, undefined, { signal: asked.signal });
  }
}

/** Why not, if asking again may help. */
async function readPages(
  client: VenueClient,
  { account, identity, atLeast }: BalancesAsked,
): Promise<Omit<AccountBalances, 'shard'> | string> {
  const subject = `veritape.${client.info.shard}.balances.${identity}.${account}`;
  const assets = new Map<number, AssetBalance>();
  let sequence: number | undefined;
  for (let after: number | null = 0; after !== null; ) {
    const fields = JSON.stringify({ after, limit: PAGE_BALANCES, atLeast });
    const reply = await client.ask(subject, new TextEncoder().encode(fields), ANSWER_MS_MAX);
    const page = JSON.parse(new TextDecoder().decode(reply)) as Page | Refusal;
    if ('error' in page) {
      const why = `${page.error}: ${page.rule}`;
      if (page.error === 'busy' || page.error === 'unavailable') return why;
      throw new ClientError(`balances: ${why}`);
    }
    sequence ??= page.sequence;
    if (page.sequence !== sequence) return 'its pages were of several sequences';
    for (const { asset, available, held } of page.balances)
      assets.set(asset, { available: BigInt(available), held: BigInt(held) });
    after = page.next;
  }
  return { sequence: sequence ?? 0, assets };
}
