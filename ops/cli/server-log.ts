import { hostname } from 'node:os';
import type { Level, Logger } from 'pino';
import { systemCode } from '../exit-codes.ts';

/** What is never written, whoever passes it on by mistake. */
const SECRETS = ['token', 'password', 'seed', 'creds', 'authorization'].flatMap((name) => [name, `*.${name}`]);

/**
 * The log of a process that runs until it is told to end: a line of JSON each, on stderr. VERITAPE_LOG_LEVEL says from which
 * level on; `usual` unless given. Once its reader or its terminal is gone, nothing is written any more.
 * @param fields what every line has, asked for each
 */
export async function openLog(name: string, fields: () => object, usual: Level = 'info'): Promise<Logger> {
  const { pino, destination } = await import('pino');
  const asked = process.env['VERITAPE_LOG_LEVEL'] ?? '';
  const level = asked in pino.levels.values ? asked : usual;
  // Not as pino's base: what a line says itself would be in it twice then, and some readers refuse such JSON.
  const base = { pid: process.pid, hostname: hostname(), name };
  const mixin = (): object => ({ ...base, ...fields() });
  const stderr = destination(2);
  stderr.on('error', (error: Error) => {
    const code = systemCode(error);
    // As pino itself does for EPIPE: what is kept to be written would be tried for ever when the process exits.
    if (code === 'EIO') Object.assign(stderr, { write: ignore, flushSync: ignore, end: ignore, destroy: ignore });
    else if (code !== 'EPIPE') throw error;
  });
  return pino({ base: null, level, mixin, redact: { paths: SECRETS, censor: '[secret]' } }, stderr);
}

function ignore(): void {}
