import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export { removeTemporaryFolders, temporaryFolder } from '../temporary-folders.ts';

export const ENTRY = fileURLToPath(new URL('../../ops/veritape.ts', import.meta.url));
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command as a user would, in a process of its own. `nodeArgs` go to Node, not to the command. */
export function veritape(args: readonly string[], input = '', nodeArgs: readonly string[] = []): Run {
  return run(process.execPath, [...nodeArgs, ENTRY, ...args], input);
}

/** A line of shell in which `veritape` is the command, for what depends on pipes and redirections. */
export function shell(line: string, input = ''): Run {
  const command = `veritape() { '${process.execPath}' '${ENTRY}' "$@"; }`;
  return run('bash', ['-o', 'pipefail', '-c', `${command}; ${line}`], input);
}

/** @param variables besides those of this process */
export function run(program: string, args: readonly string[], input: string, variables: object = {}): Run {
  const env = { ...process.env, ...variables };
  const child = spawnSync(program, args, { input, env, encoding: 'utf8', maxBuffer: 2 ** 28 });
  return { code: child.status, stdout: child.stdout, stderr: child.stderr };
}

/** The objects of NDJSON text. */
export function linesOf(text: string): Record<string, unknown>[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
