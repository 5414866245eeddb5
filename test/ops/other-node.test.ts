import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from '@jest/globals';
import { otherNode } from '../other-node.ts';

const INSTALL_MS_MAX = 120_000;
const COMMANDS = 5_000;

const command = fileURLToPath(new URL('../../bin/veritape.js', import.meta.url));
let other = '';

beforeAll(() => {
  other = otherNode();
}, INSTALL_MS_MAX);

test('another major version of Node matches the same commands into the same bytes', () => {
  const input = commands();
  const [here, there] = [process.execPath, other].map((node) =>
    execFileSync(node, [command, 'match'], { input, encoding: 'utf8', maxBuffer: 1 << 27 }),
  );
  const major = Number.parseInt(execFileSync(other, ['--version'], { encoding: 'utf8' }).slice(1), 10);
  expect(major).not.toBe(Number.parseInt(process.versions.node, 10));
  expect(here?.split('\n').filter((line) => line.includes('"trade"')).length).toBeGreaterThan(COMMANDS / 10);
  expect(there).toBe(here);
});

/** Orders around one price, some canceled, by a generator of whole numbers (Lehmer, 48271 mod 2^31 - 1). */
function commands(): string {
  let state = 20_260_101;
  const below = (limit: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
  const lines: string[] = [];
  for (let id = 1; id <= COMMANDS; id++) {
    const account = 1 + below(20);
    if (below(5) === 0) lines.push(JSON.stringify({ op: 'cancel', symbol: 'ACME', account, id: 1 + below(id) }));
    else {
      const side = below(2) === 0 ? 'buy' : 'sell';
      const tif = below(10) === 0 ? 'ioc' : 'gtc';
      const [price, qty] = [9_990 + below(20), 1 + below(100)];
      lines.push(JSON.stringify({ op: 'new', symbol: 'ACME', account, id, side, price, qty, tif }));
    }
  }
  return `${lines.join('\n')}\n`;
}
