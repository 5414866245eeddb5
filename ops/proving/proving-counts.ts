import type { Points } from '../telemetry/points.ts';
import type { ProvenSpan } from './prover-process.ts';

const MS_PER_S = 1e3;

/** What a process that proves has done since its start. */
export class ProvingCounts {
  spans = 0;
  commands = 0;
  bytes = 0;
  /** Milliseconds that provers took to read spans and to prove them. */
  readMs = 0;
  proveMs = 0;
  /** Prover processes that ended before their span was proven. */
  failures = 0;

  take({ commands, bytes, witnessMs, proveMs }: ProvenSpan): void {
    this.spans++;
    this.commands += commands;
    this.bytes += bytes;
    this.readMs += witnessMs;
    this.proveMs += proveMs;
  }

  addTo(points: Points): void {
    points.add('veritape.prover.spans', this.spans);
    points.add('veritape.prover.commands', this.commands);
    points.add('veritape.prover.written', this.bytes);
    points.add('veritape.prover.span.time', this.readMs / MS_PER_S, { stage: 'read' });
    points.add('veritape.prover.span.time', this.proveMs / MS_PER_S, { stage: 'prove' });
    points.add('veritape.prover.failures', this.failures);
  }
}
