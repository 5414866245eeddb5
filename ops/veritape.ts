import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { printFailure } from './cli/result.ts';
import { isService, SERVICES, takeSettings } from './commands/services.ts';
import { ExitCode, exitCodeOf, isExpected } from './exit-codes.ts';

interface Subcommand {
  readonly summary: string;
  /** Loads what the command needs, which may be much: only the command that is asked for is loaded. */
  readonly load: () => Promise<(program: Command) => void>;
}

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  demo: {
    summary: 'the whole system on generated order flow; what npm start runs',
    load: async () => (await import('./commands/demo.ts')).registerDemo,
  },
  serve: {
    summary: 'run a venue, reached over NATS',
    load: SERVICES.serve,
  },
  follow: {
    summary: 'copy the journal of a venue elsewhere, with a replica that must agree',
    load: SERVICES.follow,
  },
  fix: {
    summary: 'take orders over FIX 4.4 and 5.0 SP2 for a venue on NATS',
    load: SERVICES.fix,
  },
  websocket: {
    summary: 'the commands of match as JSON over WebSocket, for a venue on NATS',
    load: SERVICES.websocket,
  },
  top: {
    summary: 'what a running process is doing, in a terminal',
    load: async () => (await import('./commands/top.ts')).registerTop,
  },
  config: {
    summary: 'what the settings of a service are, where each comes from, and whether a file of them is right',
    load: async () => (await import('./commands/config.ts')).registerConfig,
  },
  handover: {
    summary: 'have the server of a venue hand over to a standby',
    load: async () => (await import('./commands/handover.ts')).registerHandover,
  },
  submit: {
    summary: 'send commands to a venue over NATS',
    load: async () => (await import('./commands/submit.ts')).registerSubmit,
  },
  reports: {
    summary: 'execution reports of accounts in FIX terms, complete and in order',
    load: async () => (await import('./commands/execution-reports.ts')).registerReports,
  },
  move: {
    summary: 'move an instrument to another shard, while both run',
    load: async () => (await import('./commands/move.ts')).registerMove,
  },
  access: {
    summary: 'who may do what: keys, and permissions for the NATS server',
    load: async () => (await import('./commands/access.ts')).registerAccess,
  },
  match: {
    summary: 'the matcher alone: NDJSON commands in, NDJSON events out',
    load: async () => (await import('./commands/match.ts')).registerMatch,
  },
  challenge: {
    summary: 'the matcher alone on a workload of the public challenge',
    load: async () => (await import('./commands/challenge.ts')).registerChallenge,
  },
  audit: {
    summary: 'check a journal from end to end, and replay it against its snapshots',
    load: async () => (await import('./commands/audit.ts')).registerAudit,
  },
  inspect: {
    summary: 'show what a journal holds, or one block of it',
    load: async () => (await import('./commands/inspect.ts')).registerInspect,
  },
  backup: {
    summary: 'copy the journal of a venue, which may be serving, to a backup that is added to',
    load: async () => (await import('./commands/backup.ts')).registerBackup,
  },
  restore: {
    summary: 'make a venue again from a backup, up to its end or to a point before',
    load: async () => (await import('./commands/restore.ts')).registerRestore,
  },
  prune: {
    summary: 'remove the oldest segments of a journal that a backup has and nobody needs to go on',
    load: async () => (await import('./commands/prune.ts')).registerPrune,
  },
  prove: {
    summary: 'prove that commands of a journal were matched by the rules',
    load: SERVICES.prove,
  },
  verify: {
    summary: 'check proofs of matching, without the journal',
    load: async () => (await import('./commands/verify.ts')).registerVerify,
  },
  drill: {
    summary: 'failover drills on a venue of its own: what is lost when something fails',
    load: async () => (await import('./commands/drill.ts')).registerDrill,
  },
  simulate: {
    summary: 'the venue on simulated time, disk and network, with things going wrong; a seed does the same again',
    load: async () => (await import('./commands/simulate.ts')).registerSimulate,
  },
  bench: {
    summary: 'the benchmarks, beside their peers; for a checkout of the sources',
    load: async () => (await import('./commands/bench.ts')).registerBench,
  },
};

const EXIT_CODES = `
Exit codes:
  0  done, and what was checked is true
  1  what was checked is false
  2  wrong usage or input
  3  the disk, the network or a port refused
  129, 130, 143  stopped by a signal (SIGHUP, SIGINT, SIGTERM), in good order; serve, follow, fix,
                 websocket and reports, which run until then, end with 0`;

// Help and versions are cut short by whoever reads them; results have their own outputs, which tell what the disk says. A terminal
// may be closed while a command ends in good order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    process.stderr.write(`veritape: ${error instanceof Error ? error.stack : error}\n`);
    process.exit(ExitCode.environment);
  });
}
process.exitCode = await run(process.argv.slice(2));

async function run(args: readonly string[]): Promise<number> {
  const asked = args[0] === 'help' ? args[1] : args.find((arg) => !arg.startsWith('-'));
  try {
    const program = await createProgram(asked);
    if (isService(asked)) await takeSettings(program, asked, args);
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? ExitCode.done);
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return ExitCode.done;
      if (args.includes('--json')) await printFailure(error, ExitCode.usage);
      return ExitCode.usage;
    }
    const code = exitCodeOf(error);
    const name = asked !== undefined && Object.hasOwn(SUBCOMMANDS, asked) ? `veritape ${asked}` : 'veritape';
    const failure = error instanceof Error ? error : new Error(String(error));
    process.stderr.write(`${name}: ${isExpected(error) ? failure.message : failure.stack}\n`);
    if (args.includes('--json')) await printFailure(failure, code);
    return code;
  }
}

async function createProgram(asked: string | undefined): Promise<Command> {
  const manifest = createRequire(import.meta.url)('veritape/package.json') as { version: string; description: string };
  const program = new Command('veritape')
    .description(`${manifest.description}.`)
    .version(manifest.version, '--version')
    .exitOverride()
    .showHelpAfterError('Add --help to see the usage and an example.')
    .addHelpText('after', EXIT_CODES);
  for (const [name, { summary, load }] of Object.entries(SUBCOMMANDS)) {
    if (name === asked) (await load())(program);
    else program.command(name);
    program.commands.at(-1)?.summary(summary);
  }
  return program;
}
