import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../journal/segments.ts';
import { UsageError } from '../exit-codes.ts';

/**
 * A file in the folder of a cluster's node that holds the node's name. Without it, a server that is started on the folder by
 * mistake, without the cluster, would acknowledge what no other node ever hears of.
 */
const FILE = 'cluster-node';

/** Marks a folder as a node's; whether it was not before. Throws a {@link UsageError} if it is another node's. */
export function markFolder(directory: string, node: string): boolean {
  const marked = markOf(directory);
  if (marked === node) return false;
  if (marked !== undefined) {
    const rule = `the folder ${directory} is that of node ${marked}; to rename it, delete ${join(directory, FILE)}`;
    throw new UsageError('node', node, rule);
  }
  makeFolder(directory);
  writeFileSync(join(directory, FILE), `${node}\n`);
  return true;
}

/** For a node that has not joined, and so has nothing of the cluster. */
export function unmarkFolder(directory: string): void {
  rmSync(join(directory, FILE), { force: true });
}

/** Throws a {@link UsageError} if a folder is a node's. */
export function refuseMarked(directory: string): void {
  const marked = markOf(directory);
  if (marked === undefined) return;
  const rule = `it is the folder of node ${marked} of a cluster: give --cluster, or leave the cluster for good by deleting ${join(directory, FILE)}`;
  throw new UsageError('dir', directory, rule);
}

function markOf(directory: string): string | undefined {
  const path = join(directory, FILE);
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}
