import { posix } from 'node:path';
import { type Rule, sourcesOf, type Tree, textFiles } from './tree.ts';

/** The pipeline: a folder imports only from itself and from those before it. */
const PIPELINE = ['journal', 'sequencer', 'replicas', 'proofs', 'ops'];
const OUTSIDE = ['bench', 'examples', 'test'];
/** Examples show what users can write. */
const PUBLIC = ['index.ts', 'client.ts', 'verify.ts'];

/**
 * The public-challenge workload is a benchmark's input that `veritape challenge` reads, too. A checkout builds a page when it is
 * asked for.
 */
const ALLOWED_OUTSIDE = [
  { from: 'ops/', to: 'bench/challenge-workload.ts' },
  { from: 'ops/', to: 'bench/challenge-run.ts' },
  { from: 'ops/dashboard/dashboard-page.ts', to: 'bin/page.js' },
];

/** Made from sources by the build. */
const BUILT = ['replicas/matcher.wasm', 'ops/dashboard/dashboard.html'];
/** Pages that the build makes one file of: packages in them are tools of the build. */
const BUNDLED = ['ops/page/', 'ops/dashboard/page/'];

const NAMES_BANNED = [
  'utils',
  'util',
  'helpers',
  'helper',
  'common',
  'core',
  'manager',
  'types',
  'misc',
  'shared',
  'lib',
];

export const FILE_LINES_MAX = 600;
const LONGER: Readonly<Record<string, { lines: number; why: string }>> = {
  'replicas/transition/market.ts': {
    lines: 700,
    why: 'the rules of the market are one state transition, read top to bottom',
  },
};

export const floorPlan: Rule = (tree) => {
  const found: string[] = [];
  for (const { path, references } of sourcesOf(tree)) {
    for (const to of references) {
      if (to.path === undefined) continue;
      const why = whyNot(path, to.path);
      if (why !== undefined) found.push(`${path}:${to.line}: imports ${to.path}: ${why}`);
      else if (
        /\.\w+$/.test(to.path) &&
        !tree.has(to.path) &&
        !BUILT.includes(to.path) &&
        !to.path.startsWith('dist/')
      ) {
        found.push(`${path}:${to.line}: imports ${to.path}: no such file`);
      }
    }
  }
  return found;
};

function whyNot(from: string, to: string): string | undefined {
  const [here = '', there = ''] = [from, to].map((path) =>
    path.includes('/') ? path.slice(0, path.indexOf('/')) : '',
  );
  if (here === 'examples') return PUBLIC.includes(to) ? undefined : 'examples import what the package exports';
  if (OUTSIDE.includes(here)) return undefined;
  if (ALLOWED_OUTSIDE.some((pair) => from.startsWith(pair.from) && to === pair.to)) return undefined;
  if (OUTSIDE.includes(there)) return `nothing that ships imports from ${there}/`;
  if (PIPELINE.includes(here) && PIPELINE.indexOf(there) > PIPELINE.indexOf(here))
    return `${there}/ comes after ${here}/`;
  if (PIPELINE.includes(here) && !PIPELINE.includes(there)) return `only the pipeline's folders are below ${here}/`;
  return undefined;
}

/**
 * Every package that is imported is declared in the package.json above; what ships leans on `dependencies` alone. A peer
 * of the benchmarks may be a package of its own.
 */
export const declaredPackages: Rule = (tree) => {
  const found: string[] = [];
  for (const { path, references } of sourcesOf(tree)) {
    const { shipped, all } = packagesAbove(tree, path);
    for (const to of references) {
      if (to.path !== undefined || to.kind === 'url' || to.specifier.startsWith('node:')) continue;
      const name = to.specifier.split('/', to.specifier.startsWith('@') ? 2 : 1).join('/');
      const isBundled = BUNDLED.some((folder) => path.startsWith(folder));
      const ships = !isBundled && (PIPELINE.some((folder) => path.startsWith(`${folder}/`)) || path === 'index.ts');
      const allowed = ships ? shipped : all;
      if (!allowed.includes(name)) found.push(`${path}:${to.line}: imports ${name}: not among its dependencies`);
    }
  }
  return found;
};

function packagesAbove(tree: Tree, path: string): { shipped: string[]; all: string[] } {
  let folder = posix.dirname(path);
  while (folder !== '.' && !tree.has(`${folder}/package.json`)) folder = posix.dirname(folder);
  const text = tree.get(posix.join(folder, 'package.json')) ?? '{}';
  const manifest = JSON.parse(text) as Record<string, Record<string, string> | undefined>;
  const namesIn = (field: string): string[] => Object.keys(manifest[field] ?? {});
  const shipped = namesIn('dependencies');
  const all = [...shipped, ...namesIn('devDependencies'), ...namesIn('optionalDependencies'), String(manifest['name'])];
  return { shipped, all };
}

/** The build rewrites the endings of imports, not of URLs: `threadEntry` does that for worker threads. */
export const builtUrls: Rule = (tree) =>
  sourcesOf(tree).flatMap(({ path, references }) =>
    references
      .filter(
        (to) => to.kind === 'url' && to.specifier.endsWith('.ts') && PIPELINE.some((f) => path.startsWith(`${f}/`)),
      )
      .map((to) => `${path}:${to.line}: URL of ${to.specifier} is dead in dist/: use threadEntry`),
  );

export const fileNames: Rule = (tree) =>
  [...tree.keys()].flatMap((path) => {
    const parts = path.split('/').map((part) => part.replace(/\..*$/, '').toLowerCase());
    const bad = parts.find((part) => NAMES_BANNED.some((name) => part === name || part.endsWith(`-${name}`)));
    return bad === undefined ? [] : [`${path}:1: "${bad}" says nothing: put each thing with its concept`];
  });

export const fileLengths: Rule = (tree) =>
  [...tree].flatMap(([path, text]) => {
    if (!/\.[cm]?[jt]s$/.test(path)) return [];
    const lines = text.split('\n').length - 1;
    const limit = LONGER[path]?.lines ?? FILE_LINES_MAX;
    return lines > limit ? [`${path}:${limit}: ${lines} lines, ${limit} are allowed`] : [];
  });

/**
 * `npm ci` refuses a lock without the platform packages that its packages name, and npm leaves those out which the
 * registry in use does not have.
 */
export const completeLock: Rule = (tree) => {
  interface Entry {
    readonly optionalDependencies?: Record<string, string>;
  }
  return textFiles(tree, /(^|\/)package-lock\.json$/).flatMap(([path, text]) => {
    const { packages } = JSON.parse(text) as { packages: Record<string, Entry> };
    return Object.entries(packages).flatMap(([place, entry]) =>
      Object.keys(entry.optionalDependencies ?? {})
        .filter((name) => {
          for (let from = place; ; from = posix.dirname(from)) {
            if (packages[posix.join(from, 'node_modules', name)] !== undefined) return false;
            if (from === '' || from === '.') return true;
          }
        })
        .map((name) => `${path}:1: lacks ${name} of ${place || 'this package'}: run npm run lock`),
    );
  });
};
