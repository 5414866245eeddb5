import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

// Bundles what runs outside of Node: the verifier as one module; the page that verifies proofs, and the operator's dashboard,
// as one file each.

const root = fileURLToPath(new URL('..', import.meta.url));

/** veritape/verify, without imports. */
export async function bundleVerifier() {
  return bundle('verify.ts', { format: 'esm' });
}

/** The page: markup, style, script and worker in one text, allowed to load and to send nothing. */
export async function buildPage() {
  const worker = await bundle('ops/page/verifier-worker.ts', { format: 'iife', minify: true });
  const define = { WORKER_SOURCE: JSON.stringify(worker) };
  const script = await bundle('ops/page/page.ts', { format: 'iife', minify: true, define });
  const style = await bundle('ops/page/page.css', { minify: true });
  return assemble('ops/page/page.html', { script, style, policy: ['worker-src blob:'] });
}

/** The dashboard, allowed to ask nobody but the server that it came from. */
export async function buildDashboard() {
  const script = await bundle('ops/dashboard/page/dashboard.ts', { format: 'iife', minify: true });
  const style = await bundle('ops/dashboard/page/dashboard.css', { minify: true });
  // The licence of the charts goes where they go.
  const notice = `/* uPlot\n${readFileSync(join(root, 'node_modules', 'uplot', 'LICENSE'), 'utf8')}*/\n`;
  const policy = ["connect-src 'self'", 'img-src data:', "require-trusted-types-for 'script'"];
  return assemble('ops/dashboard/page/dashboard.html', { script: `${notice}${script}`, style, policy });
}

/** One file of markup, script and style, and a policy by which a browser runs nothing else. */
function assemble(markup, { script, style, policy: more }) {
  const policy = [
    "default-src 'none'",
    `script-src ${sourceHash(script)}`,
    `style-src ${sourceHash(style)}`,
    ...more,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const parts = {
    "default-src 'none'": policy,
    '<style></style>': `<style>${style}</style>`,
    '<script></script>': `<script>${script}</script>`,
  };
  let page = readFileSync(join(root, markup), 'utf8');
  for (const [place, part] of Object.entries(parts)) {
    if (!page.includes(place)) throw new Error(`${markup} has no ${place}`);
    page = page.replace(place, () => part);
  }
  return page;
}

async function bundle(entry, options) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    target: ['es2023', 'chrome123', 'firefox120', 'safari17.5'],
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'error',
    ...options,
  });
  return result.outputFiles[0].text.trim();
}

/** How a policy names the one text that it allows. */
function sourceHash(text) {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
