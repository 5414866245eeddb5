import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildMatcher, isMatcherBuilt } from './matcher.js';
import { buildDashboard, buildPage, bundleVerifier } from './page.js';

// Emits dist/: JavaScript and declarations by the compiler, whatever else lies beside the sources (tables), and what is
// bundled to run outside of Node.

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });
if (!isMatcherBuilt()) await buildMatcher();
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const page = join('ops', 'page');
const dashboard = join('ops', 'dashboard');
for (const project of ['tsconfig.build.json', page, join(dashboard, 'page')]) {
  const { status } = spawnSync(process.execPath, [compiler, '-p', project], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
const COMPILED_APART = [page, join(dashboard, 'page'), join('replicas', 'transition')].map((folder) =>
  join(root, folder),
);
for (const folder of ['journal', 'sequencer', 'replicas', 'proofs', 'ops']) {
  cpSync(join(root, folder), join(dist, folder), {
    recursive: true,
    filter: (from) => !COMPILED_APART.includes(from) && (statSync(from).isDirectory() || !from.endsWith('.ts')),
  });
}
writeFileSync(join(dist, 'verify.js'), `${await bundleVerifier()}\n`);
mkdirSync(join(dist, page));
writeFileSync(join(dist, page, 'verifier.html'), await buildPage());
writeFileSync(join(dist, dashboard, 'dashboard.html'), await buildDashboard());
