import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openVenue, type Venue, type VenueOptions } from '../../../ops/venue/venue.ts';
import { until } from '../../until.ts';

const LIMITS = { ordersMax: 4096, levelPagesMax: 256, instrumentsMax: 8, sessionsMax: 16, answersPerSessionMax: 256 };
export const SEGMENT_BYTES = 4 * 2 ** 20;
/** So many orders of each side trade with each other. */
export const PAIRS = 150;

/** A small venue in this process, in a folder of its own. */
export class WatchedVenue {
  readonly directory: string;
  readonly venue: Venue;

  static async open(options: Partial<VenueOptions> = {}): Promise<WatchedVenue> {
    const directory = mkdtempSync(join(tmpdir(), 'veritape-telemetry-'));
    const defaults = { directory, limits: LIMITS, segmentBytesMax: SEGMENT_BYTES, snapshotEvery: 100 };
    return new WatchedVenue(directory, await openVenue({ ...defaults, ...options }));
  }

  private constructor(directory: string, venue: Venue) {
    this.directory = directory;
    this.venue = venue;
  }

  /** Has orders trade, one refused and one canceled. */
  async trade(): Promise<void> {
    const admin = await this.venue.openSession(0, 1);
    await admin.send([{ op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' }]);
    const client = await this.venue.openSession(7, 1);
    const terms = { op: 'new', account: 7, symbol: 0, price: 100, quantity: 5 } as const;
    for (let id = 1; id <= PAIRS; id++) {
      await client.send([
        { ...terms, id: 2 * id, side: 'buy' },
        { ...terms, id: 2 * id + 1, side: 'sell' },
      ]);
    }
    await client.send([
      { ...terms, id: 1, side: 'buy' },
      { op: 'cancel', account: 7, symbol: 0, id: 1 },
      { op: 'cancel', account: 7, symbol: 0, id: 999 },
    ]);
    await this.#settled();
  }

  /** The threads count after they have told what they did. */
  async #settled(): Promise<void> {
    const counted = (): number => this.venue.statistics().journal.commands;
    await until('all that is durable is counted', () => counted() >= this.venue.durableSequence, { seen: counted });
  }

  async close(): Promise<void> {
    await this.venue.abandon();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
