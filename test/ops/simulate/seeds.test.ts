import { describe, expect, test } from '@jest/globals';
import { runCampaign, simulate } from '../../../ops/simulate/campaign.ts';
import { PROFILE_NAMES } from '../../../ops/simulate/profiles.ts';
import { veritape } from '../run-veritape.ts';

describe.each(PROFILE_NAMES)('%s', (profile) => {
  test('holds, does much, and does the same again', () => {
    const first = simulate(77, profile);
    expect(first.violation).toBeUndefined();
    expect(first.answered).toBeGreaterThan(200);
    expect(first.counts.hashes).toBeGreaterThan(20);
    expect(first.faults.size).toBeGreaterThan(4);
    const again = simulate(77, profile);
    expect(again.hash).toBe(first.hash);
    expect(again.done).toEqual(first.done);
    expect(simulate(78, profile).hash).not.toBe(first.hash);
  });
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
