import { closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync, rmSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { BLOCK_BYTES_MAX, blockBytes, blockOrdersIn } from '../journal/block.ts';
import { Latencies } from './benchmark.ts';

/**
 * node io-uring-play.ts FILE [BLOCKS]: the journal's pattern, a block and a flush into a file that is there in its full
 * length, by the calls that the journal's thread makes and by those that libuv makes elsewhere. Run it with
 * UV_USE_IO_URING=1 and =0, and under `strace -f -c -e trace=/uring,pwrite64,fdatasync`, to see what Node makes of it.
 */
const [path = 'io-uring-play.dat', blocks = '500'] = process.argv.slice(2);
const SIZES = [blockBytes(blockOrdersIn(16)), BLOCK_BYTES_MAX];
const COUNT = Number(blocks);
const CALLS = ['synchronous', 'asynchronous'] as const;

const bytes = Buffer.alloc(BLOCK_BYTES_MAX, 7);
const zeros = Buffer.alloc(2 ** 20);
const writeLater = promisify(write);
const flushLater = promisify(fdatasync);

async function play(fd: number, size: number): Promise<void> {
  const taken = { synchronous: new Latencies(), asynchronous: new Latencies() };
  for (let block = 0; block < COUNT * CALLS.length; block++) {
    const calls = CALLS[block % CALLS.length] ?? 'synchronous';
    const started = performance.now();
    if (calls === 'synchronous') {
      writeSync(fd, bytes, 0, size, block * size);
      fdatasyncSync(fd);
    } else {
      await writeLater(fd, bytes, 0, size, block * size);
      await flushLater(fd);
    }
    taken[calls].add(performance.now() - started);
  }
  for (const calls of CALLS) {
    const figures = taken[calls].figures(calls, 'ms').map(({ name, value }) => `${name} ${value.toFixed(3)} ms`);
    process.stdout.write(`${size} bytes: ${figures.join('; ')}\n`);
  }
}

const fd = openSync(path, 'w');
const length = COUNT * CALLS.length * BLOCK_BYTES_MAX;
for (let at = 0; at < length; at += zeros.length) writeSync(fd, zeros, 0, zeros.length, at);
fsyncSync(fd);
for (const size of SIZES) await play(fd, size);
closeSync(fd);
rmSync(path);
