import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

let folder = '';

/** Stands in for npm: notes what it was asked, and leaves what npm leaves. */
const FAKE_NPM = `
const fs = require('node:fs');
fs.appendFileSync('asked', process.argv.slice(2).join(' ') + '\\n');
if (fs.existsSync('npm-fails')) process.exit(1);
fs.mkdirSync('node_modules/.bin', { recursive: true });
fs.copyFileSync('package-lock.json', 'node_modules/.package-lock.json');
`;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veritape-setup-'));
  cpSync(fileURLToPath(new URL('../../bin', import.meta.url)), join(folder, 'bin'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}\n');
  writeFileSync(join(folder, 'npm.cjs'), FAKE_NPM);
  lock({ a: { version: '1.0.0' } });
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('installs what is missing, once, and runs the command', () => {
  const first = setup('node', '--print', '6 * 7');
  expect(first).toMatchObject({ status: 0, stdout: '42\n' });
  expect(first.stderr).toContain('npm ci, because node_modules is missing');
  expect(setup('node', '--print', '6 * 7')).toMatchObject({ status: 0, stdout: '42\n', stderr: '' });
  expect(installs()).toBe(1);
});

test('installs again when the lock says something else', () => {
  setup();
  lock({ a: { version: '1.0.1' } });
  expect(setup().stderr).toContain('a is 1.0.0, package-lock.json says 1.0.1');
  lock({ a: { version: '1.0.1' }, b: { version: '2.0.0' } });
  expect(setup().stderr).toContain('b is missing, package-lock.json says 2.0.0');
  expect(installs()).toBe(3);
});

test('installs again when an installation was interrupted', () => {
  setup();
  rmSync(join(folder, 'node_modules', '.package-lock.json'));
  expect(setup().stderr).toContain('an installation was not finished');
});

test('does without the packages of other platforms', () => {
  setup();
  lock({ a: { version: '1.0.0' }, 'a-plan9-mips': { version: '1.0.0', optional: true } });
  expect(setup().stderr).toBe('');
});

test('installs what the project itself names as optional, unless it is for other platforms', () => {
  setup();
  const plan9 = { version: '1.0.0', optional: true, os: ['plan9'] };
  const named = { a: { version: '1.0.0' }, c: { version: '1.0.0', optional: true }, 'd-plan9': plan9 };
  lock(named, ['d-plan9']);
  expect(setup().stderr).toBe('');
  lock(named, ['c', 'd-plan9']);
  expect(setup().stderr).toContain('c is missing, package-lock.json says 1.0.0');
  expect(setup().stderr).toBe('');
});

test('links the command, which npm does not do for its own project', () => {
  setup();
  expect(existsSync(join(folder, 'node_modules', '.bin', 'veritape'))).toBe(process.platform !== 'win32');
});

test('stops with an environment fault when npm fails', () => {
  writeFileSync(join(folder, 'npm-fails'), '');
  const { status, stdout, stderr } = setup('node', '--print', '6 * 7');
  expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
  expect(stderr).toContain('npm ci did not work');
});

test('passes the exit code of the command', () => {
  expect(setup('node', '--eval', 'process.exit(5)').status).toBe(5);
});

function setup(...command: string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, npm_execpath: join(folder, 'npm.cjs') };
  return spawnSync(process.execPath, [join(folder, 'bin', 'setup.js'), ...command], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });
}

function lock(
  packages: Record<string, { version: string; optional?: boolean; os?: string[] }>,
  named: readonly string[] = [],
): void {
  const optionalDependencies = Object.fromEntries(named.map((name) => [name, packages[name]?.version]));
  const placed = Object.entries(packages).map(([name, entry]) => [`node_modules/${name}`, entry]);
  writeFileSync(
    join(folder, 'package-lock.json'),
    JSON.stringify({ packages: { '': { optionalDependencies }, ...Object.fromEntries(placed) } }),
  );
}

function installs(): number {
  return readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n').length;
}
