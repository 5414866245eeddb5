import { connect, type NodeConnectionOptions, RequestError, TimeoutError } from '@nats-io/transport-node';
import { JournalReader } from '../../journal/reader.ts';
import { timelineOf } from '../../journal/timelines.ts';
import { stateSubject } from '../../sequencer/nats-gateway.ts';
import { decodeVenueState, type VenueState } from '../../sequencer/venue-state.ts';
import { UsageError } from '../exit-codes.ts';
import type { Notice } from './venue.ts';

/** A server that serves answers within this time, or has no time for anybody. */
const ANSWER_MS_MAX = 1_000;
/** Characters of a hash that tell venues apart for people. */
const HASH_CHARACTERS = 12;

/**
 * Looks whether somebody serves the shard of a journal already, before this process does: two servers would both take every
 * order, each into a journal of its own. Throws a {@link UsageError} if that is another venue, or a copy of this one. Who went on
 * from before a restore is told of: clients know whom to believe.
 * @param epoch of this process; its journal is its own, so whoever answers has another one
 */
export async function refuseOtherServer(
  directory: string,
  epoch: number,
  connection: NodeConnectionOptions,
  notice: (notice: Notice) => void,
): Promise<void> {
  const { genesis, genesisHash } = JournalReader.open(directory, { unflushed: true });
  const { shard } = genesis;
  const other = await stateTold(connection, shard);
  if (other === undefined) return;
  if (other === 'silent') {
    notice({ level: 'warn', text: 'somebody listens as this shard and does not answer', fields: { shard } });
    return;
  }
  const told = `(epoch ${other.epoch}, sequence ${other.sequence}, genesis ${other.genesisHash.slice(0, HASH_CHARACTERS)}…)`;
  if (other.genesisHash !== genesisHash.toString('hex')) {
    const rule = `another venue serves this shard on this NATS server ${told}: give another --shard, --nats or --dir`;
    throw new UsageError('shard', shard, rule);
  }
  if (timelineOf(other.epoch) < timelineOf(epoch)) {
    const fields = { epochThere: other.epoch, sequenceThere: other.sequence };
    notice({ level: 'warn', text: 'the venue of before the restore serves, too: stop it', fields });
    return;
  }
  const rule = `a server with another copy of this journal serves this shard ${told}: two chains would come of it`;
  throw new UsageError('dir', directory, rule);
}

/** Undefined if nobody serves, or it can not be asked: what is wrong with the connection is told by who needs it. */
async function stateTold(options: NodeConnectionOptions, shard: number): Promise<VenueState | 'silent' | undefined> {
  const connection = await connect({ ...options, reconnect: false }).catch(() => undefined);
  if (connection === undefined) return undefined;
  try {
    const { data } = await connection.request(stateSubject(shard), String(Number.MAX_SAFE_INTEGER), {
      timeout: ANSWER_MS_MAX,
    });
    return decodeVenueState(data);
  } catch (error) {
    const isLate =
      error instanceof TimeoutError || (error instanceof RequestError && error.cause instanceof TimeoutError);
    return isLate ? 'silent' : undefined;
  } finally {
    await connection.close();
  }
}
