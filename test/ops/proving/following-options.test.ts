import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { boundsOf, checkFollowing, type FollowingOptions, venuePlaceOf } from '../../../ops/cli/following-options.ts';
import type { TelemetryCommandOptions } from '../../../ops/cli/telemetry-options.ts';
import { registerProve } from '../../../ops/commands/prove.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';

afterAll(removeTemporaryFolders);

/** The options of `veritape prove`, checked, without what it does. */
function checked(...args: readonly string[]): FollowingOptions & TelemetryCommandOptions {
  const program = new Command('veritape');
  registerProve(program);
  const [prove] = program.commands as [Command];
  prove.action(() => undefined);
  program.parse(['prove', 'venue', ...args], { from: 'user' });
  checkFollowing(prove, prove.opts());
  return prove.opts();
}

const refused: readonly (readonly [args: string, field: string, rule: string])[] = [
  ['--behind 3', 'behind', 'is of use only with --follow'],
  ['--processes-min 1', 'processes-min', 'is of use only with --follow'],
  ['--venue 9464', 'venue', 'is of use only with --follow'],
  ['--telemetry 0', 'telemetry', 'is of use only with --follow or --work'],
  ['--otlp http://a', 'otlp', 'is of use only with --follow or --work'],
  ['--follow --to 5', 'to', 'not with --follow'],
  ['--follow --nats nats://a', 'nats', 'not with --follow'],
  ['--follow --deadline 5', 'deadline', 'not with --follow'],
  ['--follow --processes 2 --processes-max 3', 'processes', 'it fixes the number'],
  ['--follow --processes-min 3 --processes-max 2', 'processes-min', 'must not be above --processes-max, 2'],
  ['--follow --ack-target-ms 5', 'ack-target-ms', 'is of use only with --venue'],
];

test.each(refused)('%s is refused, naming the option and the rule', (args, field, rule) => {
  expect(() => checked(...args.split(' '))).toThrow(
    expect.objectContaining({ name: 'UsageError', field, rule: expect.stringContaining(rule) }),
  );
});

test('the number is fixed by one option, or has bounds, of which the cores are the upper one', () => {
  expect(boundsOf(checked('--follow'), 4)).toEqual({ min: 0, max: 4 });
  expect(boundsOf(checked('--follow', '--processes-min', '6'), 4)).toEqual({ min: 6, max: 6 });
  expect(boundsOf(checked('--follow', '--processes-max', '9'), 4)).toEqual({ min: 0, max: 9 });
  expect(boundsOf(checked('--follow', '--processes', '2'), 4)).toEqual({ min: 2, max: 2 });
  // Without --follow it means what it always did.
  expect(checked('--processes', '2').processes).toBe(2);
});

test('a venue is named as for top, with a token that only its owner may read', () => {
  const file = join(temporaryFolder(), 'token');
  writeFileSync(file, 'x'.repeat(32), { mode: 0o600 });
  const venue = venuePlaceOf(checked('--follow', '--venue', '9464', '--venue-token', file));
  expect(venue?.place.href).toBe('http://127.0.0.1:9464/readings');
  expect(venue?.token).toBe('x'.repeat(32));
  expect(venuePlaceOf(checked('--follow'))).toBeUndefined();
  expect(checked('--follow', '--telemetry', '9465').telemetry).toEqual({ host: '127.0.0.1', port: 9465 });
});
