import { type MoveStep, moveInstrument } from '../../../ops/move-instrument.ts';
import { natsConnectionOptions } from '../../../ops/nats-server.ts';

/**
 * node mover.ts URL SYMBOL FROM TO STEP [AFTER]: moves an instrument, and is gone when a step is to begin; or, if a number is
 * given, when it has told so often of its progress after that.
 */
const [url = '', symbol = '', from, to, last = '', after = '0'] = process.argv.slice(2);
let left = Number(after);
let reached = false;

await moveInstrument({
  connection: natsConnectionOptions(url),
  symbol,
  from: Number(from),
  to: Number(to),
  onStep: (step: MoveStep) => {
    reached ||= step === last;
    if (reached && left === 0) process.kill(process.pid, 'SIGKILL');
  },
  onProgress: () => {
    if (reached && --left === 0) process.kill(process.pid, 'SIGKILL');
  },
});
