import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { readDbn } from './dbn.ts';
import { DBN_MAGIC } from './dbn-metadata.ts';
import { type Compression, InflatedBytes } from './decompress.ts';
import { FlowError } from './flow-error.ts';
import { ITCH_LENGTHS, readItch } from './itch.ts';
import { readLobster } from './lobster.ts';
import { FLOW_FORMATS, type FlowFormat, type FlowOptions, type OrderFlow } from './order-flow.ts';

const PIECE_BYTES = 262_144;
/** Enough of a file to know its format, and for zstd to inflate a first block of it. */
const HEAD_BYTES = 262_144;

/**
 * Opens a market-data file as a flow of commands. The format is taken from the content, or from the file name where the
 * content does not tell; files may be compressed with gzip or zstd. Throws a FlowError if the format is not known.
 */
export async function openFlow(path: string, options: FlowOptions = {}): Promise<OrderFlow> {
  const file = basename(path);
  if (options.format !== undefined && !FLOW_FORMATS.includes(options.format)) {
    throw new RangeError(`format: "${options.format}" must be one of ${FLOW_FORMATS.join(', ')}`);
  }
  const head = await readHead(path);
  const compression = compressionOf(head);
  const format = options.format ?? (await detectFormat(file, head, compression));

  const bytes = createReadStream(path, { highWaterMark: PIECE_BYTES });
  const source = compression === undefined ? bytes : new InflatedFile(file, bytes, compression);
  if (format === 'lobster') return readLobster(source, file, options);
  return format === 'itch' ? readItch(source, file, options) : readDbn(source, file, options);
}

/** Inflates, and names the file when its bytes are no such stream. */
class InflatedFile extends InflatedBytes {
  readonly #file: string;
  readonly #format: Compression;

  constructor(file: string, bytes: AsyncIterable<Uint8Array>, compression: Compression) {
    super(bytes, compression);
    this.#file = file;
    this.#format = compression;
  }

  override async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* super[Symbol.asyncIterator]();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === undefined || !/^(Z_|ZSTD_)/.test(code)) throw error;
      throw new FlowError(this.#file, 'compressed bytes', 'content', `"${message}"`, `a whole ${this.#format} stream`);
    }
  }
}

async function readHead(path: string): Promise<Uint8Array> {
  const handle = await open(path);
  try {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function compressionOf(head: Uint8Array): Compression | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  return undefined;
}

async function detectFormat(file: string, head: Uint8Array, compression: Compression | undefined): Promise<FlowFormat> {
  const start = compression === undefined ? head : await firstBytes(head, compression);
  const format = formatOfContent(start) ?? formatOfName(file);
  if (format !== undefined) return format;
  const seen = Buffer.from(start.subarray(0, 8)).toString('hex');
  const rule =
    'LOBSTER (.csv), ITCH 5.0 (.itch) or Databento (.dbn), if need be in gzip or zstd; or say which with a format';
  throw new FlowError(file, 'byte 0', 'content', seen === '' ? 'nothing' : `0x${seen}`, rule);
}

async function firstBytes(head: Uint8Array, compression: Compression): Promise<Uint8Array> {
  const source = (async function* () {
    yield head;
  })();
  try {
    for await (const bytes of new InflatedBytes(source, compression)) return bytes;
  } catch {
    // The flow itself will say what is wrong with the stream.
  }
  return new Uint8Array(0);
}

function formatOfContent(start: Uint8Array): FlowFormat | undefined {
  const text = Buffer.from(start.subarray(0, 64)).toString('latin1');
  if (text.startsWith(DBN_MAGIC)) return 'dbn';
  if (/^\d+(\.\d+)?,[1-7],/.test(text)) return 'lobster';
  const length = (start[0] ?? 0) * 256 + (start[1] ?? 0);
  if (start.length > 2 && ITCH_LENGTHS[String.fromCharCode(start[2] ?? 0)] === length) return 'itch';
  return undefined;
}

function formatOfName(file: string): FlowFormat | undefined {
  const name = file.toLowerCase().replace(/\.(gz|zst|zstd)$/, '');
  if (name.endsWith('.dbn')) return 'dbn';
  if (name.endsWith('.csv')) return 'lobster';
  if (name.endsWith('.itch') || name.endsWith('_itch50') || name.endsWith('-v50.txt')) return 'itch';
  return undefined;
}
