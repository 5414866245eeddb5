import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { MarketFlow, type MarketFlowOptions } from '../../../bench/market-flow.ts';
import { writeWide } from '../../../journal/amounts.ts';
import { COMMAND_WORD, COMMAND_WORDS, encodeCommand, Op } from '../../../journal/commands.ts';
import { DEFAULT_LIMITS } from '../../../journal/genesis.ts';
import { EventBuffer } from '../../../replicas/event-buffer.ts';
import { createMatcher } from '../../../replicas/matcher.ts';

export interface ProbeOptions {
  readonly flow: MarketFlowOptions;
  readonly session: boolean;
  readonly sequenceHigh: number;
  readonly time: number;
  readonly rounds: number;
}
const options = JSON.parse(process.argv[2] ?? '{}') as ProbeOptions;
const ROUND = 1 << 17;
const flow = new MarketFlow(options.flow);
const events = new EventBuffer(4096);
const matcher = createMatcher({ ...DEFAULT_LIMITS, ordersMax: 4096 }, events);
const create = new Uint32Array(COMMAND_WORDS);
matcher.state.sequence[1] = options.sequenceHigh;
MarketFlow.create(create, 0);
matcher.apply(create, 0);
encodeCommand(create, 0, { op: 'sessionOpen', account: 0, id: 5 });
matcher.apply(create, 0);
const words = flow.take(ROUND);
encodeCommand(words, (ROUND - 1) * COMMAND_WORDS, { op: 'massCancel' });
const reasons: Record<number, number> = {};
let request = 1;
let time = options.time;
const play = (check: boolean): void => {
  for (let at = 0; at < words.length; at += COMMAND_WORDS) {
    if (options.session) {
      words[at + COMMAND_WORD.session] = 1;
      words[at + COMMAND_WORD.request] = request++;
      time = (time + 1000001) >>> 0;
      words[at + COMMAND_WORD.time] = time;
      words[at + COMMAND_WORD.time + 1] = 400_000_000;
    }
    matcher.apply(words, at);
    if (check) { const last = (events.next - 1) * 16; const h = events.words[last] as number; const k = (h & 255) * 1000 + ((h >>> 16) & 255); reasons[k] = (reasons[k] ?? 0) + 1; }
    events.clear();
  }
};
let gcs = 0;
new PerformanceObserver((list) => { gcs += list.getEntries().length; }).observe({ entryTypes: ['gc'] });
for (let r = 0; r < 30; r++) play(r === 0);
globalThis.gc?.();
await new Promise((r) => setTimeout(r, 200));
gcs = 0;
const before = process.memoryUsage().heapUsed;
const t = performance.now();
for (let r = 0; r < options.rounds; r++) play(false);
const after = process.memoryUsage().heapUsed;
const ms = performance.now() - t;
await new Promise((r) => setTimeout(r, 200));
process.stdout.write(`${after - before} bytes, ${gcs} gcs, ${(ms * 1e6 / ROUND / options.rounds).toFixed(0)} ns ${JSON.stringify(reasons)}\n`);
