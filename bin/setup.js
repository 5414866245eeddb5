import { spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { become } from './become.js';
import { isMatcherBuilt } from './matcher.js';
import { NODE_MAJOR_MIN, nodeMajor, pinnedNode, RUNTIME_PACKAGE } from './runtime.js';

/*
 * node bin/setup.js [--nats] [--chromium] [--spin] [--gcc] [--ip] [--openssl] [command [argument...]]
 *
 * Makes a fresh clone ready, then runs the command with the pinned Node first on the PATH. What npm scripts call, so it
 * uses nothing but Node 18. Messages go to stderr. Interrupted, it starts over the next time.
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = join(root, 'node_modules');
const RETRY_HOURS = 24;

/**
 * Programs that tests need and npm does not have, by the flag that asks for them. Debian's package has the first name, if
 * no others are given.
 */
const PROGRAMS = {
  '--nats': {
    names: ['nats-server'],
    // Debian's is in /usr/sbin, which is not on everybody's PATH.
    folders: ['/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/opt/homebrew/bin'],
    advice: 'Get it from https://nats.io/download and put it on the PATH.',
  },
  '--chromium': {
    names: ['chromium', 'chromium-browser', 'google-chrome'],
    folders: ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'],
    advice: 'Install it or Chrome and put it on the PATH.',
  },
  '--spin': {
    names: ['spin'],
    folders: ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'],
    advice: 'Get it from https://spinroot.com and put it on the PATH.',
  },
  '--gcc': {
    names: ['gcc'],
    folders: ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'],
    // Debian's compiler only recommends the headers of the C library.
    packages: ['gcc', 'libc6-dev'],
    advice: 'Install a C compiler and put it on the PATH as gcc.',
  },
  '--ip': {
    names: ['ip'],
    folders: ['/usr/sbin', '/sbin', '/usr/bin', '/bin'],
    packages: ['iproute2'],
    advice: 'Install iproute2, on Linux.',
  },
  '--openssl': {
    names: ['openssl'],
    folders: ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'],
    advice: 'Install OpenSSL and put it on the PATH.',
  },
};

const args = process.argv.slice(2);
const wanted = [];
while (Object.hasOwn(PROGRAMS, args[0] ?? '')) wanted.push(PROGRAMS[args.shift()]);

const stale = whyStale();
if (stale !== undefined) await installPackages(stale);
linkBins();
const path = [join(modules, '.bin'), process.env.PATH ?? ''];
const node = pinnedNode();
if (node !== undefined) path.unshift(dirname(node));
else if (nodeMajor() < NODE_MAJOR_MIN) {
  fail(
    `there is no ${RUNTIME_PACKAGE} package with the pinned Node: install Node ${NODE_MAJOR_MIN} and run this again`,
  );
}
if (!isMatcherBuilt() && (await run(node ?? process.execPath, [join(root, 'bin', 'matcher.js')])) !== 0) {
  fail('replicas/matcher.wasm could not be compiled from replicas/transition/');
}
for (const program of wanted) {
  const folder = folderOf(program) ?? (await install(program));
  if (folder !== undefined && !path.includes(folder)) path.push(folder);
}
const [command, ...rest] = args;
if (command !== undefined) {
  become(command === 'node' ? (node ?? process.execPath) : command, rest, {
    ...process.env,
    PATH: path.join(delimiter),
  });
}

/** Why the packages are not those of package-lock.json, or undefined. By contents: a clone's dates tell nothing. */
function whyStale() {
  const installedFile = join(modules, '.package-lock.json');
  if (!existsSync(installedFile))
    return existsSync(modules) ? 'an installation was not finished' : 'node_modules is missing';
  const installed = readPackages(installedFile);
  const wantedPackages = readPackages(join(root, 'package-lock.json'));
  for (const [place, locked] of Object.entries(wantedPackages)) {
    if (place === '') continue;
    const version = installed[place]?.version;
    // Optional packages are for other platforms as a rule. Not so the pinned Node, where it exists, and those for every
    // platform that the project itself names: it runs without them, but not as well.
    const isNamed = Object.hasOwn(wantedPackages['']?.optionalDependencies ?? {}, place.slice('node_modules/'.length));
    const isForAll = locked.os === undefined && locked.cpu === undefined;
    const needed =
      !(locked.optional || locked.devOptional) || place === `node_modules/${RUNTIME_PACKAGE}` || (isNamed && isForAll);
    if (version === undefined ? needed : version !== locked.version) {
      const name = place.slice('node_modules/'.length);
      return `${name} is ${version ?? 'missing'}, package-lock.json says ${locked.version}`;
    }
  }
  return undefined;
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

async function installPackages(why) {
  say(`npm ci, because ${why} (some 400 MB, half a minute or so)`);
  const started = Date.now();
  // npm names itself to the scripts that it runs; on Windows a bare `npm` is a batch file that spawn refuses.
  const npm = process.env.npm_execpath;
  const ci = ['ci', '--loglevel=error', '--no-audit', '--no-fund'];
  const code = npm === undefined ? await run('npm', ci) : await run(process.execPath, [npm, ci].flat());
  if (code !== 0) fail('npm ci did not work; if it says "Missing ... from lock file", `npm run lock` mends that');
  say(`packages installed in ${Math.round((Date.now() - started) / 1000)} s`);
}

/** npm links the commands of dependencies but not the project's own, and drops `node` when another `node` goes. */
function linkBins() {
  if (process.platform === 'win32') return;
  const links = { veritape: '../../bin/veritape.js', node: `../${RUNTIME_PACKAGE}/bin/node` };
  for (const [name, target] of Object.entries(links)) {
    const link = join(modules, '.bin', name);
    if (existsSync(link) || !existsSync(join(link, '..', target))) continue;
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
}

/** The folder that has the program under one of its names, or undefined. */
function folderOf({ names, folders }) {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return [...(process.env.PATH ?? '').split(delimiter), ...folders].find((folder) =>
    names.some((name) => {
      try {
        accessSync(join(folder, `${name}${suffix}`), constants.X_OK);
        return folder !== '';
      } catch {
        return false;
      }
    }),
  );
}

async function install(program) {
  const [name] = program.names;
  const packages = program.packages ?? [name];
  const tried = join(root, '.cache', `${name}-not-installed`);
  if (existsSync(tried) && Date.now() - statSync(tried).mtimeMs < RETRY_HOURS * 3_600_000) {
    return sayNone(program, 'apt-get could not install it earlier today');
  }
  if (!works('apt-get', ['--version'])) return sayNone(program, 'there is no apt-get here');
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !works('sudo', ['-n', 'true'])) return sayNone(program, 'apt-get needs root');
  const apt = isRoot ? ['apt-get'] : ['sudo', '-n', 'apt-get'];
  say(`apt-get install ${packages.join(' ')}${isRoot ? '' : ' (with sudo)'}, because no ${name} was found`);
  const wait = ['-qq', '-o', 'DPkg::Lock::Timeout=60'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const step of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    await run(apt[0], [...apt.slice(1), ...wait, ...step], env);
  }
  const folder = folderOf(program);
  if (folder !== undefined) return folder;
  mkdirSync(dirname(tried), { recursive: true });
  writeFileSync(tried, '');
  return sayNone(program, 'apt-get could not install it');
}

function sayNone({ names: [name], advice }, why) {
  say(`no ${name} (${why}): what needs one is left out. ${advice}`);
  return undefined;
}

function works(program, args) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

/** Runs a step with its output on stderr; gives its exit code, -1 if it did not start or was killed. */
function run(program, args, env = process.env) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 2, 2] });
    child.on('error', () => resolve(-1));
    child.on('exit', (code) => resolve(code ?? -1));
  });
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(3);
}
