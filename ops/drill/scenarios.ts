import type { Scenario } from './scenario.ts';
import { damageScenarios } from './scenarios/damage.ts';
import { diskScenarios } from './scenarios/disk.ts';
import { hostScenarios } from './scenarios/hosts.ts';
import { networkScenarios } from './scenarios/network.ts';
import { processScenarios } from './scenarios/processes.ts';
import { shardScenarios } from './scenarios/shards.ts';
import { upgradeScenarios } from './scenarios/upgrade.ts';

/** All that can be drilled, in the order in which they are run. */
export const SCENARIOS: readonly Scenario[] = [
  ...processScenarios,
  ...networkScenarios,
  ...diskScenarios,
  ...damageScenarios,
  ...shardScenarios,
  ...upgradeScenarios,
  ...hostScenarios,
];
