import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { linesOf, ROOT } from './run-veritape.ts';

const PROGRAM = `
  const { openLog } = await import(${JSON.stringify(join(ROOT, 'ops/cli/server-log.ts'))});
  let sequence = 4;
  const log = await openLog('venue', () => ({ shard: 3, node: undefined, sequence: ++sequence }));
  log.info({ token: 'abc', client: { password: 'abc', account: 7 } }, 'one');
  log.debug({ sequence: 1, pid: 6 }, 'two');
`;

function logged(level?: string): Record<string, unknown>[] {
  return linesOf(written(level));
}

function written(level?: string): string {
  const env = { ...process.env, ...(level === undefined ? {} : { VERITAPE_LOG_LEVEL: level }) };
  return spawnSync(process.execPath, ['--input-type=module', '-e', PROGRAM], { encoding: 'utf8', env }).stderr;
}

test('every line says what it is of, and nothing secret', () => {
  const [line, ...others] = logged();
  expect(others).toEqual([]);
  expect(line).toMatchObject({ name: 'venue', shard: 3, sequence: 5, msg: 'one', token: '[secret]' });
  expect(line?.['client']).toEqual({ password: '[secret]', account: 7 });
  expect(line).not.toHaveProperty('node');
});

test('a level that is named is written, with what the line says itself before what all say', () => {
  expect(logged('debug').map(({ msg, sequence }) => [msg, sequence])).toEqual([
    ['one', 5],
    ['two', 1],
  ]);
  expect(logged('loud')).toHaveLength(1);
  for (const line of written('debug').trim().split('\n')) expect(line.match(/"(pid|sequence|name)":/g)).toHaveLength(3);
});
