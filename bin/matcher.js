import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * node bin/matcher.js: compiles the state transition, replicas/transition/, to replicas/matcher.wasm, unless that is what was
 * made from the same sources before. The codes that it shares with the rest, it gets from journal/.
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = join(root, 'replicas', 'transition');
const target = join(root, 'replicas', 'matcher.wasm');
/** Digests of the sources and of the module that was made from them. */
const stamp = join(root, '.cache', 'matcher.sha256');
const ENTRY = 'market.ts';
const CODES = 'codes.ts';
const OPTIONS = [
  ...['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--use', 'abort='],
  ...['--importMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
];

/** Whether the module is, bit for bit, the one that was made from these sources; true also where there are none. */
export function isMatcherBuilt() {
  if (!existsSync(sources)) return true;
  if (!existsSync(target) || !existsSync(stamp)) return false;
  return readFileSync(stamp, 'utf8') === stampOf(digestOfSources(), readFileSync(target));
}

/** The codes of journal/ as the compiler of the transition reads them. */
export async function writeCodes() {
  const { AMOUNT_MAX, PRICE_MAX } = await import('../journal/amounts.ts');
  const {
    AccountSetting,
    Flag,
    MovedSetting,
    MovedTerm,
    Op,
    OrderType,
    Phase,
    Role,
    SelfTradePrevention,
    Setting,
    SIDE_ANY,
    STP_SHIFT,
    Term,
    TERM_SHIFT,
    TimeInForce,
  } = await import('../journal/commands.ts');
  const { EventFlag, EventType, MovePart } = await import('../journal/events.ts');
  const { Reason } = await import('../journal/reasons.ts');
  const tables = Object.entries({
    Op,
    OrderType,
    TimeInForce,
    SelfTradePrevention,
    Term,
    MovedTerm,
    Setting,
    MovedSetting,
    AccountSetting,
    Phase,
    Role,
    Flag,
    EventType,
    EventFlag,
    MovePart,
    Reason,
  });
  return [
    '/** Written by bin/matcher.js from the tables of journal/: change those. */',
    `export const AMOUNT_MAX: u64 = ${AMOUNT_MAX};`,
    `export const PRICE_MAX: u64 = ${PRICE_MAX};`,
    `export const SIDE_ANY: u32 = ${SIDE_ANY};`,
    `export const STP_SHIFT: u32 = ${STP_SHIFT};`,
    `export const TERM_SHIFT: u32 = ${TERM_SHIFT};`,
    ...tables.flatMap(([name, codes]) => [
      '',
      `export class ${name} {`,
      ...Object.entries(codes).map(
        ([code, value]) => `  static readonly ${code === 'new' ? 'newOrder' : code}: u32 = ${value};`,
      ),
      '}',
    ]),
    '',
  ].join('\n');
}

async function compileMatcher() {
  const { default: compiler } = await import('assemblyscript/asc');
  const files = new Map();
  const { error, stderr } = await compiler.main([ENTRY, '--outFile', 'wasm', ...OPTIONS], {
    readFile: (name) => (existsSync(join(sources, name)) ? readFileSync(join(sources, name), 'utf8') : null),
    writeFile: (name, contents) => files.set(name, contents),
    listFiles: () => [],
  });
  if (error !== null) throw new Error(`${stderr}${error.message}`);
  return files.get('wasm');
}

export async function buildMatcher() {
  writeFileSync(join(sources, CODES), await writeCodes());
  const digest = digestOfSources();
  const wasm = await compileMatcher();
  writeFileSync(target, wasm);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, stampOf(digest, wasm));
}

function stampOf(sourcesDigest, wasm) {
  return `sources ${sourcesDigest}\nmodule ${createHash('sha256').update(wasm).digest('hex')}\n`;
}

function digestOfSources() {
  const hash = createHash('sha256');
  for (const name of readdirSync(sources).sort()) {
    if (name.endsWith('.ts')) hash.update(`${name}\n`).update(readFileSync(join(sources, name)));
  }
  for (const name of ['amounts.ts', 'commands.ts', 'events.ts', 'reasons.ts']) {
    hash.update(readFileSync(join(root, 'journal', name)));
  }
  return hash
    .update(readFileSync(fileURLToPath(import.meta.url)))
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!isMatcherBuilt()) await buildMatcher();
}
