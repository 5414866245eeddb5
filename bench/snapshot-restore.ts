import { hashOf } from '../journal/chain.ts';
import { DEFAULT_LIMITS } from '../journal/genesis.ts';
import { SnapshotStore } from '../journal/snapshots.ts';
import { encodeState, restoreState } from '../replicas/canonical-state.ts';
import { EventBuffer } from '../replicas/event-buffer.ts';
import { createMatcher } from '../replicas/matcher.ts';
import { timed } from './benchmark.ts';

/** node snapshot-restore.ts FOLDER: restores the newest snapshot in a fresh process, its outcome as JSON. */
export interface RestoredSnapshot {
  /** Read, check and decompress. */
  readonly loadMs: number;
  /** Decode, and build the book. */
  readonly restoreMs: number;
  /** Of the state that was restored, encoded again. */
  readonly stateHash: string;
}

const [directory = ''] = process.argv.slice(2);
const started = performance.now();
const { snapshot } = await new SnapshotStore(directory).loadNewest();
const loadMs = performance.now() - started;
const bytes = snapshot?.state ?? Buffer.alloc(0);
const { state } = createMatcher(DEFAULT_LIMITS, new EventBuffer(1024));
const restoreMs = timed(() => restoreState(state, bytes));
const result: RestoredSnapshot = { loadMs, restoreMs, stateHash: hashOf(encodeState(state)).toString('hex') };
process.stdout.write(JSON.stringify(result));
