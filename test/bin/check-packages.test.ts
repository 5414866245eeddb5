import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ROOT } from '../ops/run-veritape.ts';

const GOOD = { version: '1.0.0', integrity: 'sha512-aaaa', license: 'MIT' };

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'veritape-packages-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(file: string, contents: string | Buffer | object): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  const isText = typeof contents === 'string' || Buffer.isBuffer(contents);
  writeFileSync(join(folder, file), isText ? contents : JSON.stringify(contents));
}

/** What is said of a project with these entries in its lock, and a package `good` that is installed. */
function checked(
  entries: Readonly<Record<string, object>>,
  manifest: object = {},
  args: string[] = [],
  env = {},
): string[] {
  write('package.json', { dependencies: { good: '1.0.0' }, ...manifest });
  write('node_modules/good/package.json', { name: 'good', version: '1.0.0', license: 'MIT' });
  write('package-lock.json', { packages: { '': {}, 'node_modules/good': GOOD, ...entries } });
  const command = [join(ROOT, 'bin', 'check-packages.js'), ...args, folder];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  expect(stderr).toBe('');
  const lines = stdout.trimEnd().split('\n');
  expect(status).toBe(lines.at(-1)?.endsWith('are as they should be') ? 0 : 1);
  return lines.map((line) => line.replace('packages: ', ''));
}

test('a lock with nothing wrong in it is let through, and packages of other platforms may lack a hash', () => {
  const others = { version: '1.0.0', optional: true, os: ['win32'], cpu: ['x64'] };
  expect(checked({ 'node_modules/a-win32-x64': others })).toEqual([
    '1 packages for other platforms have no hash: the registry that made the lock lacks them',
    '2 packages are as they should be',
  ]);
});

test.each<[string, object, string]>([
  ['another registry', { ...GOOD, resolved: 'https://evil.example/a.tgz' }, 'a: comes from https://evil.example/a.tgz'],
  ['a git repository', { ...GOOD, resolved: 'git+ssh://git@github.com/a/a.git#1' }, 'a: comes from git+ssh'],
  ['no hash', { ...GOOD, integrity: undefined }, 'a: has no hash'],
  ['a weak hash', { ...GOOD, integrity: 'sha1-aaaa' }, 'a: has another hash than SHA-512'],
  ['a folder', { resolved: '../a', link: true }, 'a: is a link to a folder'],
  ['a script that nobody decided about', { ...GOOD, hasInstallScript: true }, 'a: has an install script, about which'],
  ['another licence', { ...GOOD, license: 'AGPL-3.0' }, 'a: is under "AGPL-3.0"'],
  ['a dependency by URL', { ...GOOD, dependencies: { b: 'https://b.example/b.tgz' } }, 'a: asks for b by https://b.'],
  ['a dependency of GitHub', { ...GOOD, dependencies: { b: 'somebody/b' } }, 'a: asks for b by somebody/b'],
])('%s is refused, with the name of the package', (_, entry, said) => {
  expect(checked({ 'node_modules/a': entry })).toContainEqual(expect.stringContaining(said));
});

test('what the project asks for is one version each, and a decision that nobody needs is refused', () => {
  const said = checked({}, { dependencies: { good: '^1.0.0' }, allowScripts: { good: true } });
  expect(said).toEqual([
    'good: package.json asks for ^1.0.0: it must be one version',
    'good: is in allowScripts and has no script',
  ]);
});

test('what is installed is looked at, too: scripts, native code, links, and what the lock does not list', () => {
  write('node_modules/a/package.json', { license: 'MIT', scripts: { postinstall: 'node steal.js' } });
  write('node_modules/a/deep/a.node', '');
  write('node_modules/a/deep/tool', Buffer.from('7f454c4602010100', 'hex'));
  write('node_modules/@some/stranger/package.json', {});
  expect(checked({ 'node_modules/a': GOOD })).toEqual([
    'a: has an install script, of which the lock does not know',
    'a: has native code, a.node',
    'a: has native code, tool',
    '@some/stranger: is not in the lock',
  ]);
});

/** Stands in for npm, and says what a registry would. */
function asked(report: string): string[] {
  write('npm.cjs', `process.stdout.write(${JSON.stringify(report)});`);
  return checked({}, {}, ['--advisories'], { npm_execpath: join(folder, 'npm.cjs') });
}

test('an advisory that is high is a failure, a low one is told, and so is a registry that answers none', () => {
  const advisory = (severity: string): string =>
    JSON.stringify({ vulnerabilities: { good: { severity, range: '<2' } } });
  expect(asked(advisory('high'))).toEqual(['good: <2 has a high advisory: npm audit']);
  expect(asked(advisory('low'))[0]).toBe('good: <2 has a low advisory, which is no failure');
  expect(asked('{"message":"405 Method Not Allowed"}')[0]).toBe(
    'advisories could not be asked: 405 Method Not Allowed',
  );
  expect(asked('no JSON')[0]).toBe('advisories could not be asked: npm gave no report');
});
