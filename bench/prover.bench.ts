import { parseArgs } from 'node:util';
import { type Circuit, CircuitBuilder } from '../proofs/stark/constraints.ts';
import { createSimdKernels } from '../proofs/stark/kernels/simd-kernels.ts';
import { PROFILES, usableRows, withZeroKnowledge } from '../proofs/stark/parameters.ts';
import { circuitSoundness } from '../proofs/stark/proof-layout.ts';
import { prove } from '../proofs/stark/prover.ts';
import { verify } from '../proofs/stark/verifier.ts';

/**
 * The prover alone, on eight memories side by side: 96 columns, 75 constraints and 48 bus entries, which take 125 more.
 *
 *     node bench/prover.bench.ts --heights 14,16 --profile standard --threads 2 [--hidden] [--frugal]
 */
const MEMORIES = 8;
const CELLS = 1_000;
const VERIFICATIONS = 10;

const { values: given } = parseArgs({
  options: {
    heights: { type: 'string', default: '14,15,16,17' },
    profile: { type: 'string', default: 'standard' },
    threads: { type: 'string', default: '2' },
    hidden: { type: 'boolean', default: false },
    frugal: { type: 'boolean', default: false },
  },
});

const profile = PROFILES[given.profile as keyof typeof PROFILES];
const parameters = given.hidden ? withZeroKnowledge(profile) : profile;
const circuit = memories();
const kernels = createSimdKernels(circuit, Number(given.threads));
for (const height of given.heights.split(',')) measure(Number(height));
kernels.close();

function measure(heightLog: number): void {
  const trace = traceOf(usableRows(heightLog, parameters));
  const stages: string[] = [];
  let before = performance.now();
  const start = before;
  const cpuBefore = process.cpuUsage();
  const stage = (name: string): void => {
    const now = performance.now();
    stages.push(`${name} ${(now - before).toFixed(0)}`);
    before = now;
  };
  const proof = prove(circuit, parameters, trace, [], kernels, { frugal: given.frugal, stage });
  const proveMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuBefore);
  const verifyMs = Array.from({ length: VERIFICATIONS }, () => {
    const from = performance.now();
    verify(circuit, parameters, { publics: [] }, proof);
    return performance.now() - from;
  });
  const sorted = verifyMs.toSorted((a, b) => a - b);
  process.stdout.write(
    `${JSON.stringify({
      heightLog,
      parameters: parameters.name,
      threads: Number(given.threads),
      frugal: given.frugal,
      proveMs: Math.round(proveMs),
      /** Of all threads: says more than the clock on a machine that others use, too. */
      cpuMs: Math.round((user + system) / 1_000),
      rowsPerSecond: Math.round((2 ** heightLog / proveMs) * 1_000),
      proofKiB: Math.round(proof.length / 1_024),
      verifyFirstMs: Math.round(verifyMs[0] ?? 0),
      verifyMedianMs: Math.round(sorted[VERIFICATIONS / 2] ?? 0),
      provenBits: Math.floor(circuitSoundness(circuit, parameters, heightLog).least * 10) / 10,
      rssMiB: Math.round(process.memoryUsage().rss / 2 ** 20),
      stagesMs: stages.join(', '),
    })}\n`,
  );
}

function memories(): Circuit {
  const builder = new CircuitBuilder('memories', 1);
  const one = builder.constant(1);
  const zero = builder.constant(0);
  for (let i = 0; i < MEMORIES; i++) {
    const name = (what: string): string => `${what} ${i}`;
    const column = (what: string): ReturnType<CircuitBuilder['column']> => builder.column(name(what));
    const [clock, address, before, timeBefore] = [
      column('clock'),
      column('address'),
      column('before'),
      column('time before'),
    ];
    const [writes, after, gap] = [column('writes'), column('after'), column('gap')];
    const [cell, final, finalTime] = [column('cell'), column('final'), column('final time')];
    const [table, times] = [column('table'), column('times')];
    builder.onFirstRow(name('the clock starts'), clock.minus(1));
    builder.onTransition(name('the clock ticks'), clock.next().minus(clock).minus(1));
    builder.onEveryRow(name('writes is a bit'), writes.times(writes.minus(1)));
    builder.onEveryRow(name('a read keeps the value'), one.minus(writes).times(after.minus(before)));
    builder.onEveryRow(name('the gap is the time between'), clock.minus(timeBefore).minus(1).minus(gap));
    builder.onFirstRow(name('cells start'), cell);
    builder.onTransition(name('cells step'), cell.next().minus(cell).minus(1));
    builder.onFirstRow(name('the table starts'), table);
    builder.onTransition(name('the table steps'), table.next().minus(table).minus(1));
    const access = builder.bus(name('memory'));
    access.receive(name('read'), one, [address, before, timeBefore]);
    access.send(name('write'), one, [address, after, clock]);
    access.send(name('cell before'), one, [cell, zero, zero]);
    access.receive(name('cell after'), one, [cell, final, finalTime]);
    const range = builder.bus(name('range'));
    range.receive(name('gap'), one, [gap]);
    range.send(name('listed'), times, [table]);
  }
  return builder.build();
}

function traceOf(rows: number): Uint32Array[] {
  return Array.from({ length: MEMORIES }, (_, i) => memoryTrace(rows, 7 + 2 * i)).flat();
}

function memoryTrace(rows: number, step: number): Uint32Array[] {
  const column = (): Uint32Array => new Uint32Array(rows);
  const index = column().map((_, row) => row);
  const clock = index.map((row) => row + 1);
  const [address, before, timeBefore, writes, after, gap] = [
    column(),
    column(),
    column(),
    column(),
    column(),
    column(),
  ];
  const [final, finalTime, times] = [column(), column(), column()];
  for (let row = 0; row < rows; row++) {
    const at = ((row * step) % CELLS) % rows;
    address[row] = at;
    before[row] = final[at] as number;
    timeBefore[row] = finalTime[at] as number;
    writes[row] = row % 3 === 0 ? 1 : 0;
    final[at] = after[row] = row % 3 === 0 ? row + 1 : (final[at] as number);
    const passed = row - (finalTime[at] as number);
    gap[row] = passed;
    times[passed] = (times[passed] as number) + 1;
    finalTime[at] = row + 1;
  }
  return [clock, address, before, timeBefore, writes, after, gap, index, final, finalTime, index, times];
}
