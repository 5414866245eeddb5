import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** Packages that carry nothing but a Node binary, one per platform; the pinned version is in package.json. */
export const RUNTIME_PACKAGE = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

export const NODE_MAJOR_MIN = 24;

/** The path of the pinned Node, or undefined where its package is not installed or does not exist. */
export function pinnedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve(`${RUNTIME_PACKAGE}/package.json`);
    return join(manifest, '..', JSON.parse(readFileSync(manifest, 'utf8')).bin.node);
  } catch {
    return undefined;
  }
}

export function nodeMajor() {
  return Number.parseInt(process.versions.node, 10);
}
