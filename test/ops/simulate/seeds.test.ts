import { expect, test } from '@jest/globals';
import { runCampaign, simulate } from '../../../ops/simulate/campaign.ts';
import { PROFILE_NAMES, type ProfileName } from '../../../ops/simulate/profiles.ts';
import type { RunResult } from '../../../ops/simulate/world.ts';
import { veritape } from '../run-veritape.ts';

const SEED = 77;
const results = new Map<ProfileName, RunResult>();

function resultOf(profile: ProfileName): RunResult {
  const result = results.get(profile) ?? simulate(SEED, profile);
  results.set(profile, result);
  return result;
}

test.each(PROFILE_NAMES)('%s holds and does much', (profile) => {
  const { violation, answered, counts, faults } = resultOf(profile);
  expect(violation).toBeUndefined();
  expect(answered).toBeGreaterThan(200);
  expect(counts.hashes).toBeGreaterThan(20);
  expect(faults.size).toBeGreaterThan(4);
});

// One of each kind of simulation: on one host, and on several.
test.each(['bad-network', 'cluster'] as const)('%s does the same again', (profile) => {
  const { hash, done } = simulate(SEED, profile);
  expect(hash).toBe(resultOf(profile).hash);
  expect(done).toEqual(resultOf(profile).done);
});

test('a failure is told with a command that shows it again, with less', async () => {
  const result = await runCampaign(
    {
      seed: 1,
      runs: 3,
      millisecondsMax: 60_000,
      profile: 'one-host',
      mutant: 'acknowledge-when-applied',
      shrinkMillisecondsMax: 5_000,
    },
    () => Promise.resolve(true),
  );
  const { failure } = result;
  expect(failure?.violation.invariant).toBe('acknowledged-is-durable');
  expect(failure?.needed?.length).toBeLessThan(20);
  const only = failure?.needed?.join(' ') ?? '';
  expect(failure?.replay).toBe(
    `veritape simulate --seed 1 --runs 1 --profile one-host --mutant acknowledge-when-applied --only '${only}'`,
  );
  const args = ['simulate', '--seed', '1', '--runs', '1', '--profile', 'one-host', '--only', only, '--json'];
  const planted = veritape([...args, '--mutant', 'acknowledge-when-applied']);
  expect(planted.code).toBe(1);
  expect(JSON.parse(planted.stdout).failure.violation.invariant).toBe('acknowledged-is-durable');
  // The same without what was planted.
  const product = veritape(args);
  expect(product.code).toBe(0);
  expect(JSON.parse(product.stdout).failure).toBeUndefined();
});

test('wrong usage is refused', () => {
  const { code, stderr } = veritape(['simulate', '--only', 'kill@host#1']);
  expect(code).toBe(2);
  expect(stderr).toContain('runs');
  expect(veritape(['simulate', '--profile', 'none']).code).toBe(2);
});
