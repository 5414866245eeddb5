import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findNatsServer, freePort } from '../../ops/nats-server.ts';
import { ROOT, temporaryFolder } from './run-veritape.ts';

/** The ports of a nats-server and of telemetry in pages, which are others where they are tried. */
const NATS_PORT = '4222';
const TELEMETRY_PORT = '9464';
const SAID_CHARACTERS = 8_000;
/** Unless it is told otherwise. */
const RUN_MS_MAX = 140_000;
/** A venue that is smaller than one for everyday use starts sooner. */
const SMALL = {
  // None that lives is kept waiting for so long that a standby takes over.
  VERITAPE_SERVE_LEASE_MS: '20000',
  VERITAPE_SERVE_SEGMENT_BYTES: '4194304',
  VERITAPE_FOLLOW_SEGMENT_BYTES: '4194304',
  VERITAPE_SERVE_ORDERS_MAX: '65536',
};

/** What a page has fenced as `sh`, or with more words behind that, in order. */
export function shellBlocks(text: string, info = 'sh'): string[] {
  const found = text.matchAll(/^```(sh[^\n]*)\n(.*?)^```$/gms);
  return [...found].filter(([, marked]) => marked === info).map(([, , block]) => block ?? '');
}

/** Lines of a page, run as written by a shell that stops at the first that fails, with a nats-server on a port of its own. */
export class PageScript {
  #child: ChildProcess | undefined;

  /**
   * Rejects with what it said unless all of it went well, in time.
   * @param bin where its commands are, if not in this project's packages
   * @param env variables besides those of this process
   */
  async run(
    blocks: readonly string[],
    cwd: string,
    {
      bin = join(ROOT, 'node_modules', '.bin'),
      env = {},
      runMsMax = RUN_MS_MAX,
    }: { bin?: string; env?: Record<string, string>; runMsMax?: number } = {},
  ): Promise<void> {
    const { path, port } = await this.#commands(bin);
    const text = blocks.join('\n').replaceAll(NATS_PORT, String(port));
    const script = `set -euo pipefail\n${text.replaceAll(TELEMETRY_PORT, String(await freePort()))}`;
    // A group of its own, so that whatever it leaves running can be ended.
    const child = spawn('bash', ['-xc', script], {
      cwd,
      env: { ...process.env, ...SMALL, ...env, PATH: path },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => {
        said = (said + text.toString()).slice(-SAID_CHARACTERS);
      });
    // Not `close`: what it started in the background has its outputs, too.
    const stuck = setTimeout(() => this.end(), runMsMax);
    const [code] = (await once(child, 'exit')) as [number | null];
    clearTimeout(stuck);
    this.end();
    if (code !== 0) throw new Error(`it ended with ${code ?? `a signal, within ${runMsMax} ms`}:\n${said}`);
  }

  /** Ends whatever it left running. */
  end(): void {
    const group = this.#child?.pid;
    if (group === undefined) return;
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // All of it has ended.
    }
    this.#child = undefined;
  }

  async #commands(bin: string): Promise<{ readonly path: string; readonly port: number }> {
    const port = await freePort();
    const folder = join(temporaryFolder(), 'bin');
    mkdirSync(folder);
    const own = join(folder, 'nats-server');
    // One that is given a port, as by the demonstration, has its own.
    const lines = [
      '#!/bin/sh',
      `case " $* " in *" -p "* | *" --port "*) exec ${findNatsServer()} "$@" ;; esac`,
      `exec ${findNatsServer()} --addr 127.0.0.1 --port ${port} "$@" 2> /dev/null`,
    ];
    writeFileSync(own, `${lines.join('\n')}\n`);
    chmodSync(own, 0o755);
    return { path: [folder, bin, process.env['PATH'] ?? ''].join(delimiter), port };
  }
}
