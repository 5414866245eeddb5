import { describe, expect, test } from '@jest/globals';
import { determinism } from './tidy/determinism.ts';
import { deadLinks, deadMentions } from './tidy/documents.ts';
import {
  builtUrls,
  completeLock,
  declaredPackages,
  FILE_LINES_MAX,
  fileLengths,
  fileNames,
  floorPlan,
} from './tidy/floor-plan.ts';
import { type Rule, readTree, type Tree } from './tidy/tree.ts';
import { unusedExports } from './tidy/unused-exports.ts';
import { verifierAlone } from './tidy/verifier.ts';
import { lineEnds, machinePaths, noConsole, openNotes, syntax, wholeSuite } from './tidy/writing.ts';

/** Files of a sample: paths and texts. */
type Files = Readonly<Record<string, string>>;

interface Checked {
  readonly rule: Rule;
  /** Each sample breaks the rule once. */
  readonly caught: Readonly<Record<string, Files>>;
  readonly fine: Readonly<Record<string, Files>>;
}

const transition = (code: string): Files => ({ 'replicas/transition/market.ts': `${code}\n` });
const source = (code: string): Files => ({ 'replicas/place.ts': `${code}\n` });
const verifier = (code: string): Files => ({
  'verify.ts': "export { a } from './proofs/matching/verify-proof.ts';\n",
  'proofs/matching/verify-proof.ts': `${code}\n`,
});
const testFile = (code: string): Files => ({ 'test/place.test.ts': `${code}\n` });
const manifest = '{"name":"veritape","dependencies":{"lmdb":"1"},"devDependencies":{"jest":"1"}}';
const lock = (packages: object): Files => ({ 'package-lock.json': `${JSON.stringify({ packages })}\n` });

const rules: Readonly<Record<string, Checked>> = {
  'folders import only from those before them': {
    rule: floorPlan,
    caught: {
      'a later folder': { 'journal/a.ts': "import '../ops/b.ts';", 'ops/b.ts': '' },
      'a type of a later folder': { 'journal/a.ts': "import type { B } from '../ops/b.ts';", 'ops/b.ts': '' },
      'a later folder, exported on': { 'journal/a.ts': "export { b } from '../proofs/b.ts';", 'proofs/b.ts': '' },
      'a later folder, at run time': { 'journal/a.ts': "await import('../proofs/b.ts');", 'proofs/b.ts': '' },
      'a later folder, as a thread': {
        'journal/a.ts': "threadEntry(import.meta.url, '../proofs/b');",
        'proofs/b.ts': '',
      },
      'a bench': { 'ops/a.ts': "import '../bench/b.ts';", 'bench/b.ts': '' },
      'the workload from elsewhere': {
        'journal/a.ts': "import '../bench/challenge-workload.ts';",
        'bench/challenge-workload.ts': '',
      },
      'a test': { 'index.ts': "import './test/b.ts';", 'test/b.ts': '' },
      'an inner part from an example': { 'examples/a.ts': "import '../ops/b.ts';", 'ops/b.ts': '' },
      'an example': { 'ops/a.ts': "import '../examples/b.ts';", 'examples/b.ts': '' },
      'the whole from a part': { 'ops/a.ts': "import '../index.ts';", 'index.ts': '' },
      'a file that is not there': { 'ops/a.ts': "import './b.ts';" },
    },
    fine: {
      'earlier folders and its own': {
        'ops/a.ts': "import '../journal/b.ts'; import './c.ts'",
        'journal/b.ts': '',
        'ops/c.ts': '',
      },
      'a page that a checkout builds': {
        'ops/dashboard/dashboard-page.ts': "new URL('../../bin/page.js', import.meta.url);",
        'bin/page.js': '',
      },
      'the workload from ops': {
        'ops/a.ts': "import '../bench/challenge-workload.ts';",
        'bench/challenge-workload.ts': '',
      },
      'anything from a test': {
        'test/a.ts': "import '../bench/b.ts'; import '../ops/c.ts'",
        'bench/b.ts': '',
        'ops/c.ts': '',
      },
      'what the package exports, from an example': { 'examples/a.ts': "import '../client.ts';", 'client.ts': '' },
      'in words and strings': { 'journal/a.ts': "// import '../ops/b.ts'\nexport const a = `import '../ops/b.ts'`;" },
    },
  },
  'imported packages are declared': {
    rule: declaredPackages,
    caught: {
      'an unknown package': { 'package.json': manifest, 'test/a.ts': "import 'lodash';" },
      'a tool in what ships': { 'package.json': manifest, 'ops/a.ts': "import { expect } from 'jest';" },
      "a peer's package elsewhere": {
        'package.json': manifest,
        'bench/peers/b/package.json': '{"dependencies":{"b":"1"}}',
        'bench/a.ts': "import 'b';",
      },
      "the root's in a peer": {
        'package.json': manifest,
        'bench/peers/b/package.json': '{"dependencies":{"b":"1"}}',
        'bench/peers/b/a.js': "import 'lmdb';",
      },
    },
    fine: {
      'a dependency, a tool in a test, the platform': {
        'package.json': manifest,
        'ops/a.ts': "import 'lmdb'; import 'lmdb/part'; import 'node:fs';",
        'test/a.ts': "import 'jest';",
      },
      'a tool in a page that is bundled': {
        'package.json': manifest,
        'ops/dashboard/page/a.ts': "import 'jest';",
      },
      'a peer of the benchmarks': {
        'package.json': manifest,
        'bench/peers/b/package.json': '{"dependencies":{"b":"1"},"optionalDependencies":{"c":"1"}}',
        'bench/peers/b/c/a.js': "import 'b'; await import('c');",
      },
    },
  },
  'no URL of a TypeScript file in what ships': {
    rule: builtUrls,
    caught: { 'a worker': { 'ops/a.ts': "new Worker(new URL('./b.ts', import.meta.url));" } },
    fine: {
      'a page': { 'ops/a.ts': "new URL('./page.html', import.meta.url);" },
      'a worker by threadEntry': { 'ops/a.ts': "new Worker(threadEntry(import.meta.url, './b'));" },
    },
  },
  'file names say what is inside': {
    rule: fileNames,
    caught: {
      'a drawer': { 'ops/utils.ts': '' },
      'a drawer of tests': { 'test/common.test.ts': '' },
      'a folder': { 'test/helpers/nats.ts': '' },
      'a drawer with a label': { 'ops/order-types.ts': '' },
    },
    fine: { 'a concept': { 'journal/chain.ts': '', 'sequencer/core-pinning.ts': '' } },
  },
  'files are short': {
    rule: fileLengths,
    caught: { 'one line over': source('//\n'.repeat(FILE_LINES_MAX)) },
    fine: { 'at the limit': source('//\n'.repeat(FILE_LINES_MAX - 1)), prose: { 'a.md': '\n'.repeat(2_000) } },
  },
  'npm ci accepts the lock': {
    rule: completeLock,
    caught: {
      'a platform left out': lock({ 'node_modules/a': { optionalDependencies: { 'a-linux-x64': '1.0.0' } } }),
      'of a peer': {
        'bench/peers/b/package-lock.json': '{"packages":{"node_modules/b":{"optionalDependencies":{"c":"1.0.0"}}}}',
      },
    },
    fine: {
      'there, inside and beside': lock({
        'node_modules/a': { optionalDependencies: { 'a-linux-x64': '1.0.0', 'a-linux-arm64': '1.0.0' } },
        'node_modules/a-linux-x64': {},
        'node_modules/a/node_modules/a-linux-arm64': {},
      }),
    },
  },
  'the state transition depends on nothing but the commands': {
    rule: determinism,
    caught: {
      'no matcher': { 'replicas/ladder.ts': '' },
      'the date': transition('const now = Date.now();'),
      'a clock': transition('const now = performance.now();'),
      'the process': transition('const { env } = process;'),
      globalThis: transition("globalThis['Date'];"),
      chance: transition('const a = Math.random();'),
      'a root': transition('const a = Math.sqrt(2);'),
      'a sine': transition('const a = Math.sin(2);'),
      'a power': transition('const a = Math.pow(2, 3);'),
      'an exponential': transition('const a = Math.exp(2);'),
      'a logarithm': transition('const a = Math.log(2);'),
      'Math in disguise': transition('const { sqrt } = Math;'),
      'Math by computed name': transition("Math['sqrt'](2);"),
      'the power operator': transition('const f = (a: number) => a ** 2;'),
      'a fraction': transition('const a = 0.5;'),
      'a division': transition('function f(a: number, b: number) { return a / b; }'),
      'a division in place': transition('function f(a: number) { a /= 2; }'),
      'a timer': transition('setTimeout(() => {}, 1);'),
      'a file': transition("import { readFileSync } from 'node:fs';"),
      'a hash': transition("import { createHash } from 'node:crypto';"),
      'a package': transition("import { open } from 'lmdb';"),
      'an async function': transition('async function f() {}'),
      'an async arrow': transition('const f = async () => 1;'),
      'an await': transition('await f();'),
      'for-in': transition('for (const key in {}) key;'),
      'a Map': transition('const map = new Map(); for (const one of map) one;'),
      'a Map by type': transition('function f(map: ReadonlyMap<number, string>) { for (const one of map) one; }'),
      'a Set field': transition('class A { #all = new Set(); f() { this.#all.forEach(() => {}); } }'),
      'a Set spread': transition('const set = new Set(); const all = [...set];'),
      'a Set as arguments': transition('const set = new Set(); Math.max(...set);'),
      'a Set copied': transition('const set = new Set(); const all = Array.from(set);'),
      'values of anything': transition('orders.values();'),
      'keys, optionally': transition('orders?.keys();'),
      'keys of an object': transition('for (const key of Object.keys({})) key;'),
      'a float in text': transition("parseFloat('1');"),
      'a float in text, of Number': transition("Number.parseFloat('1');"),
      'a locale': transition('(1).toLocaleString();'),
      'a collation': transition("'a'.localeCompare('b');"),
      international: transition('new Intl.NumberFormat();'),
      'a bigint': transition('const a = 1n;'),
      BigInt: transition('const a = BigInt(1);'),
      'through an import': {
        ...transition("import { a } from './a.ts';"),
        'replicas/transition/a.ts': "export { b as a } from './b.ts';",
        'replicas/transition/b.ts': 'export const b = Date.now();',
      },
      'the codes of others': { ...transition("import { a } from '../a.ts';"), 'replicas/a.ts': 'export const a = 1;' },
    },
    fine: {
      integers: transition('const f = (a: number, b: number) => Math.floor(a / b) + ((a / b) | 0) + 2 ** 48;'),
      'a constant': transition('const WORDS = BYTES / 4;'),
      'names of its own': transition('function f(process: number, Date: number) { return { Date, process }; }'),
      types: transition('function f(at: Date): bigint | undefined { return; }'),
      'a Map without iteration': transition('const map = new Map(); map.get(1); for (const one of [1]) one;'),
      words: transition("/* Date.now() */ const a = 'Math.random()'; const b = /process/;"),
      'what it does not import': { ...transition(''), 'replicas/a.ts': 'export const now = Date.now();' },
    },
  },
  'every export is imported': {
    rule: unusedExports,
    caught: {
      'a value': { 'ops/a.ts': 'export const a = 1;' },
      'a function': { 'ops/a.ts': 'export function a() {}' },
      'a class': { 'ops/a.ts': 'export class A {}' },
      'a type': { 'ops/a.ts': 'export type A = number;' },
      'one of two': { 'ops/a.ts': 'export const a = 1, b = 2;', 'ops/b.ts': "import { a } from './a.ts';" },
      'a part of a pattern': {
        'ops/a.ts': 'export const { a: [b], c } = d;',
        'ops/b.ts': "import { b } from './a.ts';",
      },
      'a list': { 'ops/a.ts': 'const a = 1; export { a as b };' },
      'by another name': { 'ops/a.ts': 'export const a = 1;', 'ops/b.ts': "import { a } from '../journal/a.ts';" },
    },
    fine: {
      'the public interface': { 'index.ts': 'export const a = 1;' },
      'a file taken whole': { 'ops/a.ts': 'export const a = 1;', 'ops/b.ts': "import * as all from './a.ts';" },
      'exported on': { 'ops/a.ts': 'export const a = 1;', 'index.ts': "export { a as b } from './ops/a.ts';" },
      'imported as a type': {
        'ops/a.ts': 'export interface A {}',
        'ops/b.ts': "import { type A as B } from './a.ts';",
      },
      'imported when run': { 'ops/a.ts': 'export const a = 1;', 'ops/b.ts': "await import('./a.ts');" },
      'the type of an export': {
        'ops/a.ts': 'export interface A {}\nexport function f(a: A[]) {}',
        'ops/b.ts': "import { f } from './a.ts';",
      },
      'settings of a tool': { 'jest.config.js': 'export const a = 1;' },
    },
  },
  'the verifier imports what it needs and nothing else': {
    rule: verifierAlone,
    caught: {
      'a part of Node': verifier("import { readFileSync } from 'node:fs';"),
      'a package': verifier("import { open } from 'lmdb';"),
      'the prover': verifier("import { prove } from '../stark/prover.ts';"),
      'a kernel, when run': verifier("await import('../stark/kernels/simd-kernels.ts');"),
      'a global of Node': verifier('const a = Buffer.alloc(1);'),
      'what the page need not have': { 'ops/page/page.ts': "import '../cli/progress.ts';", 'ops/cli/progress.ts': '' },
      'what the entry need not have': { 'verify.ts': "export { a } from './journal/a.ts';", 'journal/a.ts': '' },
    },
    fine: {
      'what it needs': { ...verifier("import { P } from '../stark/field.ts';"), 'proofs/stark/field.ts': '' },
      'a type': verifier("import type { Buffer } from 'node:buffer';"),
      'names of its own': verifier('function f(process: number) { return process; }'),
      'what it does not import': { ...verifier(''), 'proofs/stark/prover.ts': "import 'node:fs';" },
    },
  },
  'no any, no !, no default export, nothing that cannot be erased': {
    rule: syntax,
    caught: {
      any: source('const a: any = 1;'),
      'any, inside': source('function f(a: Map<string, any>): void {}'),
      'non-null': source('a!.b;'),
      'default value': source('export default 1;'),
      'default function': source('export default function f() {}'),
      'default by name': source('const a = 1; export { a as default };'),
      enum: source('enum A { b }'),
      namespace: source('namespace A { export const b = 1; }'),
      'parameter property': source('class A { constructor(private readonly b: number) {} }'),
      'import =': source("import a = require('a');"),
      'assertion in front': source('const a = <number>b;'),
    },
    fine: {
      'the words': source("// any enum\nconst any = 'any'; const a = { default: !any, enum: 1 };"),
      'unknown and as': source('const a = b as unknown; const c = !d;'),
      'settings of a tool': { 'jest.config.js': 'export default {};' },
    },
  },
  'no test is alone or set aside': {
    rule: wholeSuite,
    caught: {
      only: testFile("test.only('a', () => {});"),
      skip: testFile("describe.skip('a', () => {});"),
      'skip of each': testFile("test.skip.each([1])('a', () => {});"),
      'concurrent only': testFile("test.concurrent.only('a', () => {});"),
      fit: testFile("fit('a', () => {});"),
      xtest: testFile("xtest('a', () => {});"),
    },
    fine: {
      'what the machine lacks': testFile("const t = nats ? test : test.skip; t('a', () => {});"),
      'other things': testFile("test('a', () => { list.skip(1); filter.only(2); });"),
    },
  },
  'no open notes': {
    rule: openNotes,
    caught: { 'to do': source('// TODO: more'), 'to fix': { 'a.md': 'FIXME\n' }, 'a mark': source('/* XXX */') },
    fine: { 'other words': source('// todos are TODOs of others, XXXL') },
  },
  'no path of a machine': {
    rule: machinePaths,
    caught: {
      'a home': source("const a = '/home/me/a';"),
      "root's home": { 'a.sh': 'cd /root/a\n' },
      'a mount': { 'a.md': 'see `/Users/someone`\n' },
      'a Mac': source('// /Users/me'),
      Windows: source("'C:\\Users\\me'"),
    },
    fine: {
      'URLs and relative paths': source(
        "const a = 'https://a.org/home/b'; const b = './work/c'; const d = '/usr/sbin';",
      ),
    },
  },
  'lines end well': {
    rule: lineEnds,
    caught: { 'no newline': { 'a.ts': 'a;' }, 'carriage returns': { 'a.md': 'a\r\n' } },
    fine: { 'a newline': { 'a.ts': 'a;\n' }, 'an empty file': { 'a.ts': '' } },
  },
  'nothing writes to the console': {
    rule: noConsole,
    caught: { 'a log': source('console.log(1);'), 'an error': source('console.error(1);') },
    fine: { 'another console': source('function f(console: { log(): void }) { console.log(); }') },
  },
  'links in documents lead somewhere': {
    rule: deadLinks,
    caught: {
      'a file': { 'docs/a.md': 'see [b](b.md)\n' },
      'a file above': { 'docs/a.md': 'see [b](../docs/b.md "title")\n' },
      'a picture': { 'a.md': '![b](b.png)\n' },
      'a heading': { 'a.md': '# One thing\n[two](#two-things)\n' },
      'a heading elsewhere': { 'a.md': '[two](b.md#two)\n', 'b.md': '# One\n' },
    },
    fine: {
      'files, folders, headings': {
        'README.md':
          '[a](docs/a.md) [d](docs/) [h](docs/a.md#a-heading-of-ab) [s](#self) [w](https://a.org/b.md)\n# Self\n',
        'docs/a.md': '[up](../README.md)\n## A heading, of `a`/b\n',
      },
      'examples in fences': { 'a.md': '```\n[a](b.md)\n```\n' },
    },
  },
  'documents name files that exist': {
    rule: deadMentions,
    caught: {
      'a path': { 'a.md': 'in `ops/gone.ts`\n' },
      'a name': { 'a.md': 'in `gone.ts`\n' },
      'another folder': { 'a.md': 'in `ops/a.ts`\n', 'journal/a.ts': '' },
    },
    fine: {
      'a path, a name, a pattern': { 'a.md': '`ops/a.ts`, `a.ts`, `*.test.ts`\n', 'ops/a.ts': '' },
    },
  },
};

const project = readTree();

for (const [name, { rule, caught, fine }] of Object.entries(rules)) {
  describe(name, () => {
    test.each(Object.entries(caught))('catches %s', (_, files) => {
      expect(rule(treeOf(files))).toHaveLength(1);
    });

    test.each(Object.entries(fine))('allows %s', (_, files) => {
      expect(rule(treeOf(files))).toEqual([]);
    });

    test('holds in the whole project', () => {
      expect(rule(project)).toEqual([]);
    });
  });
}

test('the rules see the project', () => {
  expect(project.size).toBeGreaterThan(20);
});

function treeOf(files: Files): Tree {
  return new Map(Object.entries(files));
}
