import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AckTimeline } from '../../../../ops/drill/ack-timeline.ts';
import { DrillLoad } from '../../../../ops/drill/drill-load.ts';
import { JournalChecker } from '../../../../ops/drill/journal-check.ts';
import { writeKeptJournal } from '../../../../ops/drill/kept-journal.ts';
import { closingOf, VeritapeProcess } from '../../../../ops/drill/veritape-process.ts';
import { startNatsServer } from '../../../../ops/nats-server.ts';

/**
 * Plays a small venue of this release and keeps its journal, its snapshots and what its clients were told, so that later
 * releases can be drilled on it: node keep-journal.ts RELEASE FILE.
 */
const CLIENTS = 4;
const COMMANDS_EACH = 500;
const WAIT_MS_MAX = 30_000;
const SERVE = ['--segment-bytes', '1048576', '--snapshot-every', '1500', '--orders-max', '65536'];

const [release = '', file = ''] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), 'veritape-kept-'));
const nats = await startNatsServer();
const venue = VeritapeProcess.serve(directory, nats.url, ...SERVE);
const load = await DrillLoad.open({ nats: nats.url, clients: CLIENTS, commandsPerSecond: 2_000 });
load.start(new AckTimeline());
await load.acknowledgedMore(COMMANDS_EACH, WAIT_MS_MAX);
await load.stop(WAIT_MS_MAX);
const { sequence, stateHashes } = closingOf(await venue.end('SIGTERM'));
await load.close();
await nats.stop();
const checker = new JournalChecker(directory, load.told);
for (const stateHash of stateHashes) checker.report({ sequence, stateHash, by: release });
checker.advance();
const check = checker.check();
writeKeptJournal(file, directory, { release, sequence, stateHash: checker.stateHash() }, load.told);
rmSync(directory, { recursive: true });
process.stdout.write(`${JSON.stringify({ release, sequence, ...check, findings: checker.findings })}\n`);
process.exit(0);
