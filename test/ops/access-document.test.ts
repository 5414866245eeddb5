import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { findNatsServer, freePort } from '../../ops/nats-server.ts';
import { ENTRY, ROOT, removeTemporaryFolders, temporaryFolder } from './run-veritape.ts';

afterAll(removeTemporaryFolders);

const RUN_MS_MAX = 120_000;

/** The blocks of shell in a document, one after another. */
function shellOf(document: string): string {
  const text = readFileSync(join(ROOT, document), 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block).join('');
}

test(
  'what docs/access.md says to do works as it stands, with TLS, and what it says is refused is refused',
  async () => {
    const port = await freePort();
    const blocks = shellOf('docs/access.md').replaceAll('4222', String(port));
    const config = `--out nats.conf --listen 127.0.0.1:${port} `;
    const script = `${blocks.replace('--out nats.conf ', config)}wait\n`;
    const folder = temporaryFolder();
    // A program, as an installed one is, so that what is killed is the command itself.
    writeFileSync(join(folder, 'veritape'), `#!/bin/sh\nexec '${process.execPath}' '${ENTRY}' "$@"\n`, { mode: 0o755 });
    const path = [folder, process.env['PATH'] ?? '', dirname(findNatsServer() ?? '')].join(delimiter);
    const child = spawn('bash', ['-e', '-o', 'pipefail', '-c', script], {
      cwd: folder,
      env: { PATH: path, NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] },
      detached: true,
    });
    let [told, complaints] = ['', ''];
    child.stdout.on('data', (text: Buffer) => {
      told += text.toString();
    });
    child.stderr.on('data', (text: Buffer) => {
      complaints += text.toString();
    });
    const end = (): void => {
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        // Nothing of it runs any more.
      }
    };
    const stuck = setTimeout(end, RUN_MS_MAX);
    try {
      const [code] = (await once(child, 'close')) as [number | null];
      expect([code, told]).toEqual([0, expect.stringContaining('1 commands (1 new orders) acknowledged')]);
    } finally {
      clearTimeout(stuck);
      end();
    }
    for (const line of ['not as account 8', 'not as the administrator', 'not by whoever only looks'])
      expect(told).toContain(`\n${line}\n`);
    const report = told.split('\n').find((line) => line.startsWith('{'));
    expect(JSON.parse(report ?? '')).toMatchObject({
      ExecType: '0',
      OrdStatus: '0',
      Account: 7,
      Symbol: 'ACME',
      LeavesQty: 5,
    });
    for (const log of [
      complaints,
      ...['nats.log', 'venue.log', 'copy.log'].map((name) => readFileSync(join(folder, name), 'utf8')),
    ])
      expect(log).not.toMatch(/SU[A-Z2-7]{56}/);
  },
  RUN_MS_MAX + 10_000,
);
