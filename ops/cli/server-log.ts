import type { Level, Logger } from 'pino';

/** What is never written, whoever passes it on by mistake. */
const SECRETS = ['token', 'password', 'seed', 'creds', 'authorization'].flatMap((name) => [name, `*.${name}`]);

/**
 * The log of a process that runs until it is told to end: a line of JSON each, on stderr. VERITAPE_LOG_LEVEL says from which
 * level on; `usual` unless given.
 * @param fields what every line has, asked for each
 */
export async function openLog(name: string, fields: () => object, usual: Level = 'info'): Promise<Logger> {
  const { pino, destination } = await import('pino');
  const asked = process.env['VERITAPE_LOG_LEVEL'] ?? '';
  const level = asked in pino.levels.values ? asked : usual;
  return pino({ name, level, mixin: fields, redact: { paths: SECRETS, censor: '[secret]' } }, destination(2));
}
