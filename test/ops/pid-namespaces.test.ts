import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { journalPath } from '../../journal/segments.ts';
import { refuseOtherPidNamespace } from '../../ops/venue/pid-namespaces.ts';
import { encodeLease } from '../../sequencer/lease.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';

const LEASE_MS = 200;
const ELSEWHERE = 1;

afterAll(removeTemporaryFolders);

/** A journal's folder, with a lease of a process that can not be seen from here. */
class Leased {
  readonly directory = temporaryFolder();
  #counter = 0;

  constructor() {
    mkdirSync(journalPath(this.directory));
    this.renew();
  }

  renew(steppedDown = false): void {
    const lease = { steppedDown, epoch: 1, counter: ++this.#counter, leaseMs: LEASE_MS, heir: 0 };
    const bytes = encodeLease({ ...lease, holder: '4711 1', pidNamespace: ELSEWHERE });
    writeFileSync(join(journalPath(this.directory), 'lease'), bytes);
  }
}

/** As a busy machine may keep this process waiting. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test('a server of another PID namespace that writes is found by one that stood still for longer than the lease', async () => {
  const leased = new Leased();
  const looking = refuseOtherPidNamespace(leased.directory);
  standStill(2 * LEASE_MS);
  leased.renew();
  await expect(looking).rejects.toThrow('another PID namespace');
});

test('one that does not renew, or has stepped down, is none that writes', async () => {
  await expect(refuseOtherPidNamespace(new Leased().directory)).resolves.toBeUndefined();
  const leaving = new Leased();
  const looking = refuseOtherPidNamespace(leaving.directory);
  leaving.renew(true);
  await expect(looking).resolves.toBeUndefined();
});
