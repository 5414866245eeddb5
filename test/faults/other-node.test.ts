import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { LoadedClient } from '../../ops/drill/loaded-client.ts';
import { closingOf, endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import { type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { otherNode } from '../other-node.ts';

const INSTALL_MS_MAX = 120_000;
const COMMANDS = 10_000;
const PROGRAM = join(import.meta.dirname, 'programs', 'replay-hash.ts');
const VERITAPE = fileURLToPath(new URL('../../bin/veritape.js', import.meta.url));

interface Replayed {
  readonly node: string;
  readonly restored: number;
  readonly sequence: number;
  readonly stateHash: string;
}

let other = '';
let nats: OwnNatsServer | undefined;

beforeAll(() => {
  other = otherNode();
}, INSTALL_MS_MAX);
afterEach(async () => {
  await endAllProcesses();
  await nats?.stop();
});
afterAll(removeTemporaryFolders);

test('a journal replayed on another major version of Node comes to the state of the replicas', async () => {
  const dir = temporaryFolder();
  nats = await startNatsServer();
  const server = VeritapeProcess.serve(dir, nats.url, '--snapshot-every', '4000');
  const clients = [await LoadedClient.open(nats.url, 1), await LoadedClient.open(nats.url, 2)];
  for (const client of clients) client.start();
  await Promise.all(clients.map((client) => client.acknowledgedMore(COMMANDS / clients.length)));
  await server.logged('snapshot written');
  // A last block after the last snapshot, so that both ways of coming to the state do something.
  await server.end('SIGKILL');
  await Promise.all(clients.map((client) => client.close()));

  const replays = await Promise.all(
    [process.execPath, other].flatMap((node) => ['whole', 'newest'].map((from) => replay(node, dir, from))),
  );
  const majors = replays.map((one) => one.node.split('.')[0]);
  expect(new Set(majors).size).toBe(2);
  const [first] = replays;
  for (const one of replays) expect(one).toMatchObject({ sequence: first?.sequence, stateHash: first?.stateHash });
  expect(replays.map((one) => one.restored > 0)).toEqual([false, true, false, true]);

  const audit = await promisify(execFile)(other, [VERITAPE, 'audit', dir, '--json']);
  expect(JSON.parse(audit.stdout)).toMatchObject({ stateHash: first?.stateHash, findings: [] });

  const next = VeritapeProcess.serve(dir, nats.url);
  await next.ready();
  const closing = closingOf(await next.end('SIGTERM'));
  expect(closing).toMatchObject({ sequence: first?.sequence, stateHashes: [first?.stateHash, first?.stateHash] });
});

async function replay(node: string, dir: string, from: string): Promise<Replayed> {
  const { stdout } = await promisify(execFile)(node, [PROGRAM, dir, from]);
  return JSON.parse(stdout) as Replayed;
}
