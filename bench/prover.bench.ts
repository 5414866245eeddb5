import { parseArgs } from 'node:util';
import { DEGREE } from '../proofs/stark/extension.ts';
import { createSimdKernels } from '../proofs/stark/kernels/simd-kernels.ts';
import { PROFILES, usableRows, withZeroKnowledge } from '../proofs/stark/parameters.ts';
import { circuitSoundness } from '../proofs/stark/proof-layout.ts';
import { prove } from '../proofs/stark/prover.ts';
import { verify } from '../proofs/stark/verifier.ts';
import { machine, memories } from './prover-circuits.ts';

/**
 * The prover alone, on eight memories side by side: 96 columns, 75 constraints and 48 bus entries, which take 125 more. With
 * `--columns` on a circuit of that many, two thirds of them registers. The peak is of the whole process: one height at a time.
 *
 *     node bench/prover.bench.ts --heights 14,16 --profile standard --threads 2 [--columns 215] [--hidden] [--memory-mib 2048]
 */
const MEMORIES = 8;
const VERIFICATIONS = 10;

const { values: given } = parseArgs({
  options: {
    heights: { type: 'string', default: '14,15,16,17' },
    profile: { type: 'string', default: 'standard' },
    threads: { type: 'string', default: '2' },
    columns: { type: 'string' },
    hidden: { type: 'boolean', default: false },
    'memory-mib': { type: 'string', default: '2048' },
  },
});

const profile = PROFILES[given.profile as keyof typeof PROFILES];
const parameters = given.hidden ? withZeroKnowledge(profile) : profile;
const memoryMax = Number(given['memory-mib']) * 2 ** 20;
const { circuit, trace: traceOf } = given.columns === undefined ? memories(MEMORIES) : machine(Number(given.columns));
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
  const proof = prove(circuit, parameters, trace, [], kernels, { memoryMax, stage });
  const proveMs = performance.now() - start;
  const peakMiB = Math.round(process.resourceUsage().maxRSS / 1_024);
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
      memoryMiB: Number(given['memory-mib']),
      columns: circuit.columns.length,
      helperColumns: circuit.helpers * DEGREE,
      nextColumns: circuit.nextColumns.length,
      constraints: circuit.constraints.length,
      traceMiB: Math.round(trace.reduce((sum, column) => sum + column.byteLength, 0) / 2 ** 20),
      proveMs: Math.round(proveMs),
      /** Of all threads: says more than the clock on a machine that others use, too. */
      cpuMs: Math.round((user + system) / 1_000),
      rowsPerSecond: Math.round((2 ** heightLog / proveMs) * 1_000),
      proofKiB: Math.round(proof.length / 1_024),
      verifyFirstMs: Math.round(verifyMs[0] ?? 0),
      verifyMedianMs: Math.round(sorted[VERIFICATIONS / 2] ?? 0),
      provenBits: Math.floor(circuitSoundness(circuit, parameters, heightLog).least * 10) / 10,
      peakMiB,
      stagesMs: stages.join(', '),
    })}\n`,
  );
}
