import type { Readable } from 'node:stream';
import { LINE_CHARACTERS_MAX } from './ndjson-commands.ts';

const BYTE_ORDER_MARK = 0xfeff;

/**
 * The lines of a stream, as many at a time as arrive together. A line without end is given up as soon as it is too long
 * for the parser, which then says so; nothing follows it.
 */
export async function* readLines(source: Readable): AsyncGenerator<string[], void, undefined> {
  let rest = '';
  let begun = false;
  source.setEncoding('utf8');
  for await (const chunk of source as AsyncIterable<string>) {
    const text = begun || chunk.charCodeAt(0) !== BYTE_ORDER_MARK ? chunk : chunk.slice(1);
    begun = true;
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (lines.length > 0) yield lines;
    if (rest.length <= LINE_CHARACTERS_MAX) continue;
    yield [rest];
    return;
  }
  if (rest !== '') yield [rest];
}
