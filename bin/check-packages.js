import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * node bin/check-packages.js [--advisories] [FOLDER]
 *
 * Holds package-lock.json, and what is installed, to what the project lets in: from the registry alone, by hash, without
 * scripts that nobody decided about, under known licences, with native code only where it is expected. Prints what is wrong
 * with which package, and ends with 1. With --advisories it also asks the registry for what is known against them; one that
 * does not answer that is told, and no failure.
 */

const REGISTRY = 'https://registry.npmjs.org/';
const LICENCES = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'Unlicense'];
/** Packages that are native code, as their names begin. Those in the second line only build and test. */
const NATIVE = [
  ...[
    '@koromix/koffi-',
    '@lmdb/lmdb-',
    '@msgpackr-extract/msgpackr-extract-',
    '@napi-rs/blake-hash-',
    'node-linux-',
    'node-win-',
  ],
  ...[
    '@biomejs/cli-',
    '@esbuild/',
    '@parcel/watcher-',
    '@swc/core-',
    '@typescript/typescript-',
    '@unrs/resolver-binding-',
  ],
];
const NATIVE_FILE = /\.(node|so|dll|dylib|exe)$/;
/** ELF, Windows, and Mach-O for one and for several processors. */
const NATIVE_HEADS = ['7f454c46', '4d5a', 'cffaedfe', 'cafebabe'];
const SCRIPTS = ['preinstall', 'install', 'postinstall'];
const AUDIT_MS_MAX = 60_000;

const args = process.argv.slice(2);
const asksAdvisories = args[0] === '--advisories' && args.shift() !== undefined;
const root = args[0] ?? fileURLToPath(new URL('..', import.meta.url));
const manifest = readJson(join(root, 'package.json'));
const { packages } = readJson(join(root, 'package-lock.json'));
const wrong = [];
let unhashed = 0;

checkOwn();
for (const [place, entry] of Object.entries(packages)) if (place !== '') check(place, entry);
checkInstalled();
if (unhashed > 0)
  say(`${unhashed} packages for other platforms have no hash: the registry that made the lock lacks them`);
if (asksAdvisories) askAdvisories();
for (const text of wrong) say(text);
if (wrong.length > 0) process.exitCode = 1;
else say(`${Object.keys(packages).length - 1} packages are as they should be`);

/** What the project itself asks for: versions, and a decision about each package with scripts. */
function checkOwn() {
  const asked = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies };
  for (const [name, version] of Object.entries(asked))
    if (!/^\d+\.\d+\.\d+$/.test(version)) refuse(name, `package.json asks for ${version}: it must be one version`);
  const withScripts = Object.entries(packages).filter(([, entry]) => entry.hasInstallScript);
  for (const name of Object.keys(manifest.allowScripts ?? {}))
    if (!withScripts.some(([place]) => nameOf(place) === name)) refuse(name, 'is in allowScripts and has no script');
}

function check(place, entry) {
  const name = nameOf(place);
  const { resolved, integrity, link, optional, os, cpu, hasInstallScript } = entry;
  if (link) refuse(name, 'is a link to a folder');
  if (resolved !== undefined && !resolved.startsWith(REGISTRY)) refuse(name, `comes from ${resolved}, not ${REGISTRY}`);
  for (const kind of ['dependencies', 'optionalDependencies', 'peerDependencies'])
    for (const [other, range] of Object.entries(entry[kind] ?? {}))
      if (/^(?!npm:).*[:/]/.test(range)) refuse(name, `asks for ${other} by ${range}`);
  const path = join(root, place);
  const isInstalled = existsSync(join(path, 'package.json'));
  const isForOthers = optional && os !== undefined && cpu !== undefined && !isInstalled;
  if (!/^sha512-/.test(integrity ?? '')) {
    if (integrity === undefined && isForOthers) unhashed++;
    else refuse(name, `has ${integrity === undefined ? 'no hash' : 'another hash than SHA-512'}`);
  }
  if (hasInstallScript && !Object.hasOwn(manifest.allowScripts ?? {}, name))
    refuse(name, 'has an install script, about which allowScripts of package.json says nothing');
  const installed = isInstalled ? readJson(join(path, 'package.json')) : undefined;
  const own = installed?.scripts ?? {};
  if (!hasInstallScript && (SCRIPTS.some((script) => own[script]) || existsSync(join(path, 'binding.gyp'))))
    refuse(name, 'has an install script, of which the lock does not know');
  const licence = installed?.license ?? entry.license;
  if (!entry.dev && (isInstalled || licence !== undefined) && !LICENCES.includes(licence))
    refuse(name, `is under ${JSON.stringify(licence)}, which is none of ${LICENCES.join(', ')}`);
  if (isInstalled && !NATIVE.some((one) => name.startsWith(one))) checkFiles(name, path, entry.dev);
}

/** Tools may have programs beside them; only native code that Node would load, or that ships, is looked for. */
function checkFiles(name, path, isTool) {
  for (const found of readdirSync(path, { withFileTypes: true })) {
    const file = join(path, found.name);
    if (found.isSymbolicLink()) refuse(name, `has a link, ${found.name}`);
    else if (found.isDirectory() && found.name !== 'node_modules') checkFiles(name, file, isTool);
    else if (found.isFile() && (NATIVE_FILE.test(found.name) || (!isTool && isNative(file))))
      refuse(name, `has native code, ${found.name}`);
  }
}

function isNative(file) {
  const head = Buffer.alloc(4);
  const descriptor = openSync(file, 'r');
  readSync(descriptor, head, 0, 4, 0);
  closeSync(descriptor);
  return NATIVE_HEADS.some((magic) => head.toString('hex').startsWith(magic));
}

/** Nothing lies beside what the lock lists. */
function checkInstalled(place = 'node_modules') {
  const folder = join(root, place);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const at = `${place}/${name}`;
    if (name.startsWith('@')) checkInstalled(at);
    else if (!name.startsWith('.') && packages[at] === undefined)
      refuse(at.slice('node_modules/'.length), 'is not in the lock');
  }
}

function askAdvisories() {
  const npm = process.env.npm_execpath;
  const ask = ['audit', '--omit=dev', '--json', '--fetch-retries=0'];
  const asked = { cwd: root, encoding: 'utf8', timeout: AUDIT_MS_MAX };
  const { stdout, error } =
    npm === undefined ? spawnSync('npm', ask, asked) : spawnSync(process.execPath, [npm, ...ask], asked);
  let report = {};
  try {
    report = JSON.parse(stdout);
  } catch {
    // As good as no report.
  }
  if (report.vulnerabilities === undefined)
    return say(`advisories could not be asked: ${report.message ?? error?.message ?? 'npm gave no report'}`);
  for (const [name, { severity, range }] of Object.entries(report.vulnerabilities))
    if (severity === 'high' || severity === 'critical') refuse(name, `${range} has a ${severity} advisory: npm audit`);
    else say(`${name}: ${range} has a ${severity} advisory, which is no failure`);
}

function nameOf(place) {
  return place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function refuse(name, why) {
  wrong.push(`${name}: ${why}`);
}

function say(text) {
  process.stdout.write(`packages: ${text}\n`);
}
