import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { findNatsServer, freePort } from '../../ops/nats-server.ts';
import { ROOT, removeTemporaryFolders, shell, temporaryFolder } from './run-veritape.ts';

const FOLDER = join(ROOT, 'docs', 'operating');
const PAGES = readdirSync(FOLDER).filter((name) => name.endsWith('.md'));
const PAGE_MS_MAX = 90_000;
/** A venue that is smaller than one for everyday use starts sooner. */
const SMALL = {
  VERITAPE_SERVE_SEGMENT_BYTES: '4194304',
  VERITAPE_FOLLOW_SEGMENT_BYTES: '4194304',
  VERITAPE_SERVE_ORDERS_MAX: '65536',
};
/** Says which page's blocks come before those of a page. */
const BEGINS = /^Begins where \[.*\]\((.+\.md)\) ends\./m;

let group = 0;
afterEach(() => endGroup());
afterAll(removeTemporaryFolders);

/** What is fenced as `sh`, or with more words behind that, in order. */
function blocks(page: string, info: string): string[] {
  const found = readFileSync(join(FOLDER, page), 'utf8').matchAll(/^```(sh[^\n]*)\n(.*?)^```$/gms);
  return [...found].filter(([, marked]) => marked === info).map(([, , text]) => text ?? '');
}

/** The blocks of a page behind those of the page where it begins. */
function scriptOf(page: string): string {
  const [, before] = BEGINS.exec(readFileSync(join(FOLDER, page), 'utf8')) ?? [];
  return [...(before === undefined ? [] : blocks(before, 'sh')), ...blocks(page, 'sh')].join('\n');
}

function endGroup(): void {
  if (group === 0) return;
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
  group = 0;
}

/** Commands as an operator has them: `veritape` of this tree, and a nats-server that listens on a port of its own. */
async function commands(): Promise<{ readonly path: string; readonly port: number }> {
  const port = await freePort();
  const folder = join(temporaryFolder(), 'bin');
  mkdirSync(folder);
  const own = join(folder, 'nats-server');
  writeFileSync(own, `#!/bin/sh\nexec ${findNatsServer()} --addr 127.0.0.1 --port ${port} "$@" 2> /dev/null\n`);
  chmodSync(own, 0o755);
  const path = [folder, join(ROOT, 'node_modules', '.bin'), process.env['PATH'] ?? ''].join(delimiter);
  return { path, port };
}

test.each(PAGES.filter((page) => blocks(page, 'sh').length > 0))(
  'what %s says to do, does',
  async (page) => {
    const { path, port } = await commands();
    const script = `set -euo pipefail\n${scriptOf(page).replaceAll('4222', String(port))}`;
    // A group of its own, so that whatever it leaves running can be ended.
    const child = spawn('bash', ['-xc', script], {
      cwd: temporaryFolder(),
      env: { ...process.env, ...SMALL, PATH: path },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    group = child.pid ?? 0;
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => {
        said = (said + text.toString()).slice(-8_000);
      });
    // Not `close`: what it started in the background has its outputs, too.
    const [code] = (await once(child, 'exit')) as [number | null];
    endGroup();
    if (code !== 0) throw new Error(`${page} ended with ${code}:\n${said}`);
  },
  PAGE_MS_MAX,
);

test('blocks for a host of one’s own can be parsed', () => {
  for (const page of PAGES)
    for (const block of blocks(page, 'sh host'))
      expect(shell('bash -n', block)).toEqual({ code: 0, stdout: '', stderr: '' });
});
