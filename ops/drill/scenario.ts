import type { Acknowledged } from './acknowledged.ts';
import type { Placement } from './drill-cluster.ts';
import type { DrillRound } from './drill-round.ts';
import type { ProcessOptions } from './veritape-process.ts';

/** A failure that a drill inflicts on a venue of its own, and what the venue promises then. */
export interface Scenario {
  /** Named after the failure. */
  readonly name: string;
  /** What is done, in one sentence. */
  readonly what: string;
  /** What must hold, besides that nothing acknowledged is lost, duplicated, reordered or contradicted. */
  readonly promise: string;
  readonly placement: Placement;
  /** Processes of the venue. */
  readonly processes: number;
  /** Clients also send what makes an instrument ruled: order-flow.ts. */
  readonly isRuled?: boolean;
  /** It has clients and a second venue of its own, which have no identities. */
  readonly isUnbound?: boolean;
  /** Further arguments of `veritape serve`. */
  readonly serve?: readonly string[];
  /** What it needs besides; not given if it runs everywhere that a NATS server is installed. */
  readonly prepare?: (folder: string) => Promise<Preparation> | Preparation;
  /** Inflicts the failure, once, under load, and waits for what is promised. */
  readonly round: (round: DrillRound) => Promise<void>;
}

/** What a scenario found or made on this machine. Or `lacking`: why it can not run here. */
export interface Preparation {
  readonly lacking?: string;
  readonly serve?: readonly string[];
  readonly processOptions?: (member: string) => ProcessOptions;
  /** Where the journals are to be, if not in the drill's folder. */
  readonly folder?: string;
  /** Handed to the rounds. */
  readonly means?: unknown;
  /** What clients know, and what the venue was, before the drill. */
  readonly before?: {
    readonly told: readonly Acknowledged[];
    readonly state: { readonly sequence: number; readonly stateHash: string; readonly by: string };
  };
  readonly undo?: () => void;
}
