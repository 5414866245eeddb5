import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ENTRY, linesOf, ROOT, removeTemporaryFolders, shell, temporaryFolder, veritape } from './run-veritape.ts';

const STOP_MS_MAX = 45_000;
const TERMINAL_SECONDS_MAX = 30;
/** Of those that say after some seconds what they wait for. */
const WAIT_MS_MAX = 150_000;
/** Longer than a command is silent without a terminal. */
const SLOW_INPUT_MS = 6_000;
/** Commands that wait for a venue that does not answer: what follows them, and what they say once they are stopped. */
const WAITING = [
  { command: 'submit', more: [], before: 'the venue was reached' },
  { command: 'submit', more: ['--shards', '0,1'], before: 'the venue was reached' },
  { command: 'move', more: ['--from', '0', '--to', '1'], before: 'anything was moved' },
];
const ORDER = '{"op":"new","symbol":"ACME","account":1,"id":1,"side":"buy","price":100,"qty":5}\n';

interface Ended {
  readonly code: number | null;
  readonly told: string;
}

const started: ChildProcess[] = [];
/** Commands that take some seconds until they say anything: they do so while the first tests run. */
const waits: Promise<Ended>[] = [];
let slowMatch: Promise<Ended> | undefined;

beforeAll(() => {
  const orders = join(temporaryFolder(), 'orders.ndjson');
  writeFileSync(orders, ORDER);
  for (const { command, more } of WAITING) {
    const child = spawn(process.execPath, [ENTRY, command, orders, '--nats', 'nats://127.0.0.1:1', ...more]);
    waits.push(endOf(child, (told) => !child.killed && / again/.test(told) && child.kill('SIGINT')));
  }
  const match = spawn(process.execPath, [ENTRY, 'match']);
  match.stdin.write(ORDER);
  // What it has to tell is told when there is something to read; it begins to count when it has started.
  match.stdout.once('data', () => setTimeout(() => match.stdin.end('\n'), SLOW_INPUT_MS));
  slowMatch = endOf(match);
});
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
  removeTemporaryFolders();
});

/** @param hear is given all that it said on stderr, whenever that is more */
async function endOf(child: ChildProcess, hear: (told: string) => unknown = () => undefined): Promise<Ended> {
  started.push(child);
  let told = '';
  child.stdout?.resume();
  child.stderr?.on('data', (chunk: Buffer) => {
    told += chunk.toString();
    hear(told);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, told };
}

/** What the command prints with each of these arguments, all asked of one process: its start takes longer than the help. */
async function printed(asked: readonly (readonly string[])[]): Promise<string[]> {
  const program = `
    process.setMaxListeners(0);
    for (const [index, args] of ${JSON.stringify(asked)}.entries()) {
      process.argv = [process.argv[0], 'veritape', ...args];
      if (index > 0) process.stdout.write('\\0');
      await import(${JSON.stringify(pathToFileURL(join(ROOT, 'ops/veritape.ts')).href)} + '?' + index);
    }`;
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], { cwd: ROOT });
  return (await run).stdout.split('\0');
}

test('the help lists the commands and the exit codes', () => {
  const { code, stdout } = veritape(['--help']);
  expect(code).toBe(0);
  expect(subcommands(stdout)).toEqual(expect.arrayContaining(['match', 'challenge', 'audit', 'inspect']));
  expect(stdout).toMatch(/Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}3 /);
});

test('the help of every command has an example that names it, and --json', async () => {
  const names = subcommands(veritape(['--help']).stdout);
  const asked = names.map((name) => [name, '--help']);
  const [match, ...all] = await printed([['help', 'match'], ...asked]);
  for (const [index, name] of names.entries()) {
    const text = all[index];
    expect(text).toMatch(new RegExp(`\\nExamples?:\\n(.*\\n)* {2}\\$ .*veritape ${name}\\b`));
    expect(text).toContain('--json');
    if (name === 'match') expect(match).toBe(text);
  }
});

// Before those that wait for a command without hearing what others say meanwhile: these would give up.
test(
  'Ctrl-C ends the wait for a venue that does not answer',
  async () => {
    expect(await Promise.all(waits)).toEqual(
      WAITING.map(({ command, before }) => ({
        code: 130,
        told: expect.stringMatching(new RegExp(`^${command}: .*\nveritape ${command}: stopped before ${before}\n$`)),
      })),
    );
  },
  WAIT_MS_MAX,
);

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

test('a terminal of no columns is no reason to hang', () => {
  const orders = join(temporaryFolder(), 'orders.ndjson');
  writeFileSync(orders, ORDER);
  // Its standard error alone is the terminal: so it tells there how far it is.
  const match = `timeout --signal KILL ${TERMINAL_SECONDS_MAX} '${process.execPath}' '${ENTRY}' match > '${orders}.events'`;
  const line = `export TERM=xterm; unset CI; stty columns 0; (cat '${orders}'; sleep 0.5) | ${match}`;
  const script = ['--quiet', '--return', '--command', line, '/dev/null'];
  expect(spawnSync('script', script, { timeout: STOP_MS_MAX, killSignal: 'SIGKILL' }).status).toBe(0);
  expect(readFileSync(`${orders}.events`, 'utf8')).toContain('"ev":"accepted"');
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
  // More than a pipe takes, so that it is still writing when its reader goes.
  const challenge = 'veritape challenge --scenario normal --orders 30000 --reports /dev/stdout | head -n 1 | wc -l';
  expect(shell(challenge)).toEqual({ code: 0, stdout: '1\n', stderr: '' });
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s stops a command in good order: it says what was done and exits with %d', async (signal, code) => {
  const child = spawn(process.execPath, [ENTRY, 'match']);
  const end = endOf(child);
  child.stdin.write(ORDER);
  await once(child.stdout, 'data');
  child.kill(signal);
  const stuck = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  expect(await end).toEqual({
    code,
    told: expect.stringMatching(/^veritape match: stopped after 1 commands, 0 trades, .*\n$/),
  });
  clearTimeout(stuck);
});

test('a folder that the file system does not allow is refused, where Node would try for ever', () => {
  const serve = [ENTRY, 'serve', '--dir', '/proc/veritape/venue'];
  const { status, stderr } = spawnSync(process.execPath, serve, {
    encoding: 'utf8',
    timeout: STOP_MS_MAX,
    killSignal: 'SIGKILL',
  });
  expect(stderr).toContain("ENOENT: no such file or directory, mkdir '/proc/veritape'");
  expect(status).toBe(2);
});

test(
  'without a terminal, a line on stderr tells every few seconds how far a command is',
  async () => {
    const told = expect.stringMatching(/^(match: 1 commands, 0 trades, \d+ commands\/s\n)+$/);
    expect(await slowMatch).toEqual({ code: 0, told });
  },
  WAIT_MS_MAX,
);

function subcommands(help: string): string[] {
  const commands = help.split('Commands:')[1] ?? '';
  return [...commands.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name ?? '').filter((name) => name !== 'help');
}
