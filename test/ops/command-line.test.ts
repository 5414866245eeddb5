import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { ENTRY, linesOf, ROOT, removeTemporaryFolders, shell, temporaryFolder, veritape } from './run-veritape.ts';

afterAll(removeTemporaryFolders);

const STOP_MS_MAX = 20_000;
const ORDER = '{"op":"new","symbol":"ACME","account":1,"id":1,"side":"buy","price":100,"qty":5}\n';

test('the help lists the commands and the exit codes', () => {
  const { code, stdout } = veritape(['--help']);
  expect(code).toBe(0);
  expect(subcommands(stdout)).toEqual(expect.arrayContaining(['match', 'challenge', 'audit', 'inspect']));
  expect(stdout).toMatch(/Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}3 /);
});

test('the help of every command has an example that names it, and --json', () => {
  for (const name of subcommands(veritape(['--help']).stdout)) {
    const { code, stdout } = veritape([name, '--help']);
    expect([name, code]).toEqual([name, 0]);
    expect(stdout).toMatch(new RegExp(`\\nExamples?:\\n(.*\\n)* {2}\\$ .*veritape ${name}\\b`));
    expect(stdout).toContain('--json');
  }
  expect(veritape(['help', 'match']).stdout).toBe(veritape(['match', '--help']).stdout);
});

test('help and matching load neither LMDB nor NATS', () => {
  const hook = join(temporaryFolder(), 'refuse.mjs');
  writeFileSync(
    hook,
    `import { registerHooks } from 'node:module';
     registerHooks({ resolve(specifier, context, next) {
       if (/^lmdb|nats/.test(specifier)) throw new Error('loads ' + specifier);
       return next(specifier, context);
     } });`,
  );
  const nodeArgs = ['--import', hook];
  for (const args of [['--help'], ['match', '--help'], ['match']]) {
    expect(veritape(args, ORDER, nodeArgs)).toMatchObject({ code: 0, stderr: '' });
  }
  expect(veritape(['audit', '.'], '', nodeArgs).stderr).toContain('loads lmdb');
});

test("--version is the package's", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  expect(veritape(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test.each([
  [[]],
  [['--no-such-option']],
  [['no-such-command']],
  [['match', '--no-such-option']],
  [['match', '--depth', '0']],
  [['match', '--depth', '1e3']],
  [['match', 'one', 'two']],
  [['match', 'there-is-no-such-file']],
  [['match', '.']],
  [['challenge']],
  [['challenge', 'file', '--scenario', 'normal']],
  [['challenge', '--scenario', 'no-such-scenario']],
  [['challenge', '--expect', 'abc']],
  [['audit']],
  [['audit', 'there-is-no-such-folder']],
  [['audit', '.', '--from', '0']],
  [['inspect', '.', '--block', 'x']],
  [['serve', '--multicast', '239.1.1.1']],
  [['serve', '--multicast', '255.255.255.255:7000']],
  [['serve', '--multicast', '239.1.1.1:70000']],
  [['serve', '--multicast', '239.1.1.1:7000', '--multicast-interface', 'eth0']],
  [['serve', '--multicast', '239.1.1.1:7000', '--multicast-ttl', '256']],
  [['serve', '--multicast', '239.1.1.1:7000', '--multicast-datagram-bytes', '547']],
  [['serve', '--multicast', '239.1.1.1:7000', '--multicast-rate', '10']],
  [['serve', '--multicast-ttl', '0']],
])('wrong usage exits with 2 and says so on stderr: %j', (args) => {
  const { code, stdout, stderr } = veritape(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).not.toBe('');
  expect(stderr).not.toContain('    at ');
});

test('with --json a failure is one object, too', () => {
  const wrongOption = veritape(['audit', '.', '--from', '0', '--json']);
  expect(linesOf(wrongOption.stdout)).toEqual([{ error: { message: expect.stringContaining('--from'), exitCode: 2 } }]);
  const wrongFile = veritape(['challenge', 'package.json', '--json']);
  expect(linesOf(wrongFile.stdout)).toEqual([
    {
      error: {
        message: expect.any(String),
        exitCode: 2,
        field: 'file',
        value: 'package.json',
        rule: expect.any(String),
      },
    },
  ]);
});

test('without a terminal, a line on stderr tells every few seconds how far a command is', () => {
  const { code, stderr } = shell('(cat; sleep 6; echo) | veritape match', ORDER);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^(match: 1 commands, 0 trades, \d+ commands\/s\n)+$/);
});

test('a full disk exits with 3', () => {
  expect(shell('veritape match > /dev/full', ORDER)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('ENOSPC'),
  });
  expect(shell('veritape match --json > /dev/full', ORDER).code).toBe(3);
  expect(shell('veritape challenge --scenario normal --orders 10 --reports /dev/full').code).toBe(3);
});

test('a reader that has seen enough is no error', () => {
  const input = Array.from({ length: 30_000 }, (_, id) => ORDER.replace('"id":1', `"id":${id}`)).join('');
  const { code, stdout, stderr } = shell('veritape match | head -n 2 | wc -l', input);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '2\n' });
  expect(stderr).not.toMatch(/EPIPE|veritape/);
  expect(shell('veritape --help | true')).toEqual({ code: 0, stdout: '', stderr: '' });
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s stops a command in good order: it says what was done and exits with %d', async (signal, code) => {
  const child = spawn(process.execPath, [ENTRY, 'match']);
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => {
    told += chunk.toString();
  });
  child.stdin.write(ORDER);
  await once(child.stdout, 'data');
  child.kill(signal);
  const stuck = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  const [exitCode] = (await once(child, 'close')) as [number | null];
  clearTimeout(stuck);
  expect(exitCode).toBe(code);
  expect(told).toMatch(/^veritape match: stopped after 1 commands, 0 trades, .*\n$/);
});

function subcommands(help: string): string[] {
  const commands = help.split('Commands:')[1] ?? '';
  return [...commands.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name ?? '').filter((name) => name !== 'help');
}
