import { emitKeypressEvents } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { positiveSeconds, withExamples } from '../cli/arguments.ts';
import { Interruption } from '../cli/interruption.ts';
import { printResult } from '../cli/result.ts';
import { tokenIn } from '../cli/telemetry-options.ts';
import { ExitCode } from '../exit-codes.ts';
import { alertsOf } from '../telemetry/alerts.ts';
import type { Readings } from '../telemetry/figures.ts';
import { fetchReadings, readingsUrl } from '../telemetry/remote-readings.ts';
import { screenOf } from '../top/screen.ts';

interface TopOptions {
  readonly interval: number;
  readonly once?: boolean;
  readonly json?: boolean;
  readonly telemetryToken?: string;
}

type Read = () => Promise<Readings>;

const PLACE_DEFAULT = '127.0.0.1:9464';
const MS_PER_S = 1_000;
/** The alternate screen, and the cursor away; and back. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_TO_END_OF_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

export function registerTop(program: Command): void {
  const command = program
    .command('top')
    .description(
      'What a server, a standby, a follower or a gateway is doing, again and again, from its --telemetry. q ends it, space holds it. ' +
        'Without a terminal it prints one screen and ends, with 1 if the process is not ready.',
    )
    .argument('[place]', 'where its --telemetry is: HOST:PORT, PORT or a URL', readingsUrl, readingsUrl(PLACE_DEFAULT))
    .addOption(new Option('--interval <seconds>', 'how often to look').default(1).argParser(positiveSeconds))
    .option('--once', 'one screen, after one interval')
    .option('--json', 'one JSON object after one interval: the readings, and the alerts')
    .option('--telemetry-token <file>', 'the token that this telemetry wants, in a file')
    .action((place: URL, options: TopOptions) => top(place, options));
  withExamples(
    command,
    'veritape top',
    'veritape top https://venue.example:9464 --telemetry-token telemetry.token --once',
    'veritape top 9464 --json',
  );
}

async function top(place: URL, options: TopOptions): Promise<void> {
  using interruption = new Interruption();
  const { telemetryToken: file } = options;
  const read = fetchReadings.bind(undefined, place, file === undefined ? {} : { token: tokenIn(file) });
  if (options.once === true || options.json === true || !process.stdout.isTTY || !process.stdin.isTTY)
    return once(place.host, read, options, interruption);
  await watch(place.host, read, options, interruption);
}

async function once(host: string, read: Read, options: TopOptions, interruption: Interruption): Promise<void> {
  const before = await read();
  await delay(options.interval * MS_PER_S, undefined, { signal: interruption.signal }).catch(() => undefined);
  const after = await read();
  const alerts = alertsOf(after);
  await printResult({ alerts, before, after }, options.json === true, () =>
    screenOf(before, after, host, process.stdout.isTTY && process.stdout.hasColors()).join('\n'),
  );
  if (after.described.notReady !== undefined) process.exitCode = ExitCode.false;
}

/** Until q, or a signal; what can not be reached is said on the screen, and tried again. */
async function watch(host: string, read: Read, { interval }: TopOptions, interruption: Interruption): Promise<void> {
  const { stdin, stdout } = process;
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, interruption.signal]);
  let isHeld = false;
  emitKeypressEvents(stdin);
  const onKey = (_: string | undefined, key: { readonly name?: string; readonly ctrl?: boolean }): void => {
    if (key.name === 'q' || (key.ctrl === true && key.name === 'c')) ended.abort();
    else if (key.name === 'space') isHeld = !isHeld;
  };
  stdin.setRawMode(true);
  stdin.on('keypress', onKey);
  stdin.resume();
  stdout.write(ENTER);
  try {
    let before: Readings | undefined;
    while (!signal.aborted) {
      if (!isHeld) {
        const after = await read().catch((error: unknown) => error as Error);
        if (after instanceof Error) draw([`${host}: ${after.message}`, 'tried again every interval; q ends']);
        else {
          draw(screenOf(before ?? after, after, host, stdout.hasColors()));
          before = after;
        }
      }
      await delay(interval * MS_PER_S, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    stdin.off('keypress', onKey);
    stdin.setRawMode(false);
    stdin.pause();
    stdout.write(LEAVE);
  }
}

/** Over what is there, so that nothing flickers; what the terminal has no room for is cut off below. */
function draw(lines: readonly string[]): void {
  const { stdout } = process;
  const shown = lines.slice(0, Math.max(1, stdout.rows - 1));
  stdout.write(`${HOME}${shown.map((line) => `${line}${CLEAR_TO_END_OF_LINE}`).join('\r\n')}${CLEAR_BELOW}`);
}
