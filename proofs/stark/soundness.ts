import { P } from './field.ts';

/**
 * How many bits of soundness are proven, in the random-oracle model, error by error. The weakest counts.
 *
 * - Proximity gaps up to the Johnson bound: Ben-Sasson, Carmon, Haböck, Kopparty, Saraf, "On proximity gaps for
 *   Reed-Solomon codes", eprint 2025/2055, theorem for correlated agreement over smooth domains, with the free parameter m.
 * - FRI from proximity gaps, round by round: Block et al., eprint 2023/1071; DEEP-ALI over a list: eprint 2021/582, as
 *   tabulated for implementations in eprint 2024/1553.
 * - Logarithmic derivatives: eprint 2022/1530.
 *
 * Nothing here leans on the conjecture that reaches up to capacity, which eprint 2025/2010 and 2025/2046 refute.
 */
export interface StatementSize {
  readonly heightLog: number;
  readonly blowUpLog: number;
  readonly queries: number;
  readonly grindingBits: number;
  /** Constraints folded with the powers of one challenge. */
  readonly constraints: number;
  readonly degree: number;
  /** Openings folded with the powers of one challenge. */
  readonly openings: number;
  /** Entries of all buses on one row, and the longest message with its bus. */
  readonly busEntries: number;
  readonly messageLength: number;
  readonly foldingArity: number;
}

export interface SoundnessBits {
  /** The parameter of the list size that serves best. */
  readonly m: number;
  readonly queries: number;
  readonly folding: number;
  readonly batching: number;
  readonly constraints: number;
  readonly openings: number;
  readonly buses: number;
  readonly least: number;
}

const FIELD_BITS = 5 * Math.log2(P);
const M_MAX = 1_000;

export function provenBits(size: StatementSize): SoundnessBits {
  let best: SoundnessBits | undefined;
  for (let m = 3; m <= M_MAX; m++) {
    const bits = bitsFor(size, m);
    if (bits !== undefined && (best === undefined || bits.least > best.least)) best = bits;
  }
  if (best === undefined) throw new RangeError('no list size fits these parameters');
  return best;
}

function bitsFor(size: StatementSize, m: number): SoundnessBits | undefined {
  const height = 2 ** size.heightLog;
  const points = 2 ** (size.heightLog + size.blowUpLog);
  const rate = 2 ** -size.blowUpLog;
  const agreement = (1 + 1 / (2 * m)) * Math.sqrt(rate);
  if (agreement >= 1) return undefined;
  const half = m + 0.5;
  const lists = half / Math.sqrt(rate);
  // The share of challenges for which words that are far from the code fold to one that is near it.
  const gap = ((2 * half ** 5 + 3 * half * (1 - agreement) * rate) * points) / (3 * rate ** 1.5) + lists;
  const fold = FIELD_BITS - Math.log2(gap * (size.foldingArity - 1));
  // The same bound for the points of a folded word that a query could tell apart.
  const folded =
    FIELD_BITS - Math.log2(size.foldingArity) - Math.log2(points + 1) - Math.log2(2 * m + 1) + 0.5 * Math.log2(rate);
  const bits = {
    queries: size.grindingBits - size.queries * Math.log2(agreement),
    folding: Math.min(fold, folded),
    batching: FIELD_BITS - Math.log2(gap * Math.max(1, size.openings - 1)),
    constraints: FIELD_BITS - Math.log2(lists * size.constraints),
    openings: FIELD_BITS - Math.log2(lists) - Math.log2(size.degree * (height + 1) + height),
    buses:
      size.busEntries === 0
        ? FIELD_BITS
        : FIELD_BITS - Math.log2(size.busEntries) - size.heightLog - Math.log2(size.messageLength + 2),
  };
  return { m, ...bits, least: Math.min(...Object.values(bits)) };
}
