import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OTHER_NODE = '26.10.0';

const cache = fileURLToPath(new URL('../.cache/', import.meta.url));

/**
 * The path of a Node of another major version. It is installed on first use and outside node_modules, where its `node`
 * would take the place of the pinned one.
 */
export function otherNode(): string {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const folder = join(cache, `node-${OTHER_NODE}`);
  if (!existsSync(folder)) install(`${name}@${OTHER_NODE}`, folder);
  return join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** Complete or not at all: another test may be waiting for the same folder. */
function install(specifier: string, folder: string): void {
  mkdirSync(cache, { recursive: true });
  const unfinished = mkdtempSync(`${folder}-`);
  const options = ['--prefer-offline', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  try {
    execFileSync('npm', ['install', '--prefix', unfinished, ...options, specifier], { cwd: unfinished, stdio: 'pipe' });
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}
