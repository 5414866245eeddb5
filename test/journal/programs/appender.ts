import { writeSync } from 'node:fs';
import { JournalError } from '../../../journal/findings.ts';
import { JournalWriter } from '../../../journal/log.ts';
import { appendBlock, SMALL } from '../temporary-journal.ts';

/**
 * node appender.ts FOLDER [PLACE] [COMMANDS]
 *
 * Appends blocks of up to so many commands to the journal in the folder until it is killed or fails. Prints a line for each
 * block that is on disk: "ack", block, last sequence, hash. At a failure: "failed" and the code, and again for a second try.
 */
const [dir = '', , commandsMax = '300'] = process.argv.slice(2);
let writer: JournalWriter | undefined;
try {
  writer = JournalWriter.open(dir, SMALL);
  writeSync(1, `epoch ${writer.epoch}\n`);
  for (let i = 0; ; i++) {
    appendBlock(writer, 1 + ((i * 7919) % Number(commandsMax)));
    if (i % 3 === 0) writer.prepare();
    const { block, sequence, hash } = writer.last;
    writeSync(1, `ack ${block} ${sequence} ${hash.toString('hex')}\n`);
  }
} catch (error) {
  report(error);
  if (writer !== undefined) {
    try {
      appendBlock(writer, 1);
    } catch (again) {
      report(again);
    }
  }
}
await writer?.close();

function report(error: unknown): void {
  writeSync(1, `failed ${error instanceof JournalError ? error.code : error}\n`);
}
