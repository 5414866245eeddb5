import { EnvironmentFault, systemCode } from '../exit-codes.ts';
import { intervalOf, percentileOf, type Readings, valueIn } from '../telemetry/figures.ts';
import { fetchReadings } from '../telemetry/remote-readings.ts';
import type { VenueStrain } from './prover-count.ts';

/** A venue that is slower with its readings than this is short of something. */
const ANSWER_MS_MAX = 1_000;
/** The percentile of fewer acknowledgements says nothing. */
const ACKNOWLEDGED_MIN = 20;
/** What lies above the last bound of the histogram. */
const BEYOND_MS = 10_000;

export interface VenuePlace {
  readonly place: URL;
  readonly token: string | undefined;
  /** In place of the venue's own target. */
  readonly ackTargetMs: number | undefined;
}

/** Asks a venue's telemetry how near the 99th percentile of its acknowledgements is to its target. */
export class VenueStrainWatch {
  readonly #venue: VenuePlace;
  readonly #onNoTarget: () => void;
  #before: Readings | undefined;
  #isTold = false;

  /** @param onNoTarget told once if there is nothing to hold the venue's percentile against */
  constructor(venue: VenuePlace, onNoTarget: () => void) {
    this.#venue = venue;
    this.#onNoTarget = onNoTarget;
  }

  /** Of the time since it looked last. Throws an {@link EnvironmentFault} if it is refused an answer. */
  async look(): Promise<VenueStrain> {
    const { place, token } = this.#venue;
    let after: Readings;
    try {
      after = await fetchReadings(place, { token, answerMsMax: ANSWER_MS_MAX });
    } catch (error) {
      if (error instanceof EnvironmentFault && error.cause === undefined) throw error;
      this.#before = undefined;
      // Where nobody listens there is no venue to give way to.
      return error instanceof EnvironmentFault && systemCode(error.cause) === 'ECONNREFUSED' ? 'none' : 'silent';
    }
    const targetMs = this.#target(after);
    if (targetMs === undefined) return 'none';
    const before = this.#before?.startedAtMs === after.startedAtMs ? this.#before : undefined;
    this.#before = after;
    const acknowledged =
      before && intervalOf(before, after, 'veritape.stage.duration', { stage: 'gatewayToAcknowledged' });
    if (acknowledged === undefined || acknowledged.count < ACKNOWLEDGED_MIN) return { ackP99Ms: 0, targetMs };
    const seconds = percentileOf(acknowledged, 0.99);
    return { ackP99Ms: seconds === undefined ? BEYOND_MS : seconds * 1000, targetMs };
  }

  #target(readings: Readings): number | undefined {
    const own = valueIn(readings, 'veritape.tuning.target');
    const targetMs = this.#venue.ackTargetMs ?? (own === undefined ? undefined : own * 1000);
    if (targetMs === undefined && !this.#isTold) {
      this.#isTold = true;
      this.#onNoTarget();
    }
    return targetMs;
  }
}
