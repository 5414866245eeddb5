import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startNatsServer } from '../../ops/nats-server.ts';

// The package as its users get it: packed, installed elsewhere, and run with the machine's own Node, however old.

const PACK_AND_INSTALL_MS_MAX = 180_000;
const COMMAND_MS_MAX = 100_000;
const CLIENT_MS_MAX = 150_000;

const root = fileURLToPath(new URL('../..', import.meta.url));
/** As strict as a user may be. */
const COMPILER_OPTIONS = {
  ...{ module: 'nodenext', target: 'es2024', strict: true, noEmit: true },
  ...{ noUncheckedIndexedAccess: true, types: ['node'], typeRoots: [join(root, 'node_modules', '@types')] },
};
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'veritape-packed-'));
  await writeFile(join(folder, 'package.json'), '{"private": true}\n');
  await run(root, 'npm', ['pack', '--silent', '--pack-destination', folder]);
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz')) ?? '';
  await run(folder, 'npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`]);
}, PACK_AND_INSTALL_MS_MAX);

afterAll(() => rm(folder, { recursive: true, force: true }));

test(
  'npx veritape --help tells the commands',
  async () => {
    const help = await run(folder, 'npx', ['veritape', '--help']);
    expect(help).toMatch(/\bmatch\b/);
    expect(help).toMatch(/\baudit\b/);
  },
  COMMAND_MS_MAX,
);

test(
  'two orders that cross, piped through npx veritape match, trade',
  async () => {
    const orders = [
      { op: 'new', symbol: 'ACME', account: 1, id: 1, side: 'sell', price: 100, qty: 5 },
      { op: 'new', symbol: 'ACME', account: 2, id: 2, side: 'buy', price: 101, qty: 3 },
    ];
    const input = orders.map((order) => `${JSON.stringify(order)}\n`).join('');
    const output = await run(folder, 'npx', ['veritape', 'match'], input);
    const events = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { ev: string });
    expect(events.filter(({ ev }) => ev === 'trade')).toEqual([
      expect.objectContaining({ price: 100, qty: 3, side: 'buy' }),
    ]);
  },
  COMMAND_MS_MAX,
);

test(
  'the package can be imported',
  async () => {
    const code = "import { openVenue } from 'veritape'; process.stdout.write(typeof openVenue);";
    expect(await run(folder, process.execPath, ['--input-type=module', '--eval', code])).toBe('function');
  },
  COMMAND_MS_MAX,
);

test(
  'the dashboard is in the package, built',
  async () => {
    const code = `
      const { dashboardPage } = await import('./node_modules/veritape/dist/ops/dashboard/dashboard-page.js');
      const { html, policy } = await dashboardPage();
      process.stdout.write(html.slice(0, 15) + policy.slice(0, 18));`;
    expect(await run(folder, process.execPath, ['--input-type=module', '--eval', code])).toBe(
      "<!doctype html>default-src 'none'",
    );
  },
  COMMAND_MS_MAX,
);

test(
  'the verifier can be imported alone, and refuses what is no proof',
  async () => {
    const code = `
      import { checkChain, VerificationError, verifyProof } from 'veritape/verify';
      try {
        verifyProof(new Uint8Array(200));
      } catch (error) {
        process.stdout.write(\`\${error instanceof VerificationError}: \${error.message}, \${checkChain([]).proofs}\`);
      }`;
    const said = await run(folder, process.execPath, ['--input-type=module', '--eval', code]);
    expect(said).toBe('true: not a proof of matching, 0');
    const types = await readFile(join(folder, 'node_modules', 'veritape', 'dist', 'verify.d.ts'), 'utf8');
    expect(types).toContain('verifyProof');
  },
  COMMAND_MS_MAX,
);

test(
  'the page that verifies proofs is in the package',
  async () => {
    const told = await run(folder, 'npx', ['veritape', 'verify', '--page', 'page.html', '--json']);
    const page = await readFile(join(folder, 'page.html'), 'utf8');
    expect(JSON.parse(told)).toEqual({ page: { file: expect.stringMatching(/page\.html$/), bytes: page.length } });
    expect(page).toContain('<title>Verify proofs of matching</title>');
  },
  COMMAND_MS_MAX,
);

test(
  'the client does what its page says, written as there, and its types are those of the page',
  async () => {
    const page = await readFile(join(root, 'docs', 'client.md'), 'utf8');
    const blocks = (language: string): string =>
      [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, of, text]) => (of === language ? text : '')).join('');
    await writeFile(join(folder, 'first.mts'), blocks('ts'));
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files: ['first.mts'] }),
    );
    await run(folder, process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc')]);
    const nats = await startNatsServer();
    const command = join(folder, 'node_modules', 'veritape', 'bin', 'veritape.js');
    const args = [
      'serve',
      '--dir',
      'venue',
      '--nats',
      nats.url,
      '--instrument',
      'ACME',
      '--market-data',
      '--segment-bytes',
      String(2 ** 22),
    ];
    const venue = spawn(process.execPath, [command, ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = once(venue, 'exit');
    try {
      for await (const text of venue.stderr.setEncoding('utf8')) if (String(text).includes('"msg":"ready"')) break;
      const said = await run(folder, process.execPath, ['first.mts'], '', { VERITAPE_NATS: nats.url });
      expect(said).toBe(blocks('text'));
    } finally {
      venue.kill('SIGTERM');
      await ended;
      await nats.stop();
    }
  },
  CLIENT_MS_MAX,
);

/** Gives what the program prints; fails with its errors if it fails. */
function run(cwd: string, program: string, args: string[], input = '', env: object = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { cwd, env: { ...ownEnvironment(), ...env } }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error }));
    });
    child.stdin?.end(input);
  });
}

/** Without what npm tells its scripts, which would send the npm below back here, and without the project's Node. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|INIT_CWD$)/.test(name));
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((place) => !place.startsWith(join(root, 'node_modules')));
  return { ...Object.fromEntries(entries), PATH: path.join(delimiter) };
}
