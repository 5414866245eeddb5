import { expect, test } from '@jest/globals';
import { EventType } from '../../../journal/events.ts';
import { Reason } from '../../../journal/reasons.ts';
import { limitsFor, WholeFlow } from './venue-flow-all.ts';
import { type Distance, distanceOf, farther } from './venue-flow-far.ts';
import { inWords, VenuePair } from './venue-pair.ts';

/** More by VERITAPE_RULES_COMMANDS, with other seeds by VERITAPE_RULES_SEED. */
const COMMANDS = Number(process.env['VERITAPE_RULES_COMMANDS'] ?? 60_000);
const SEED = Number(process.env['VERITAPE_RULES_SEED'] ?? 1);
const COMMANDS_PER_FLOW = 3_000;
const AUDIT_EVERY = 50;
const RESTORE_EVERY = 700;
/** Reasons that no flow of this size comes to, and why. */
const UNREACHED: Readonly<Record<string, string>> = {
  'rejected allOrNoneFull': 'wants 1,024 all-or-none orders: venue-crowd.test.ts',
  'canceled allOrNoneFull': 'the same',
  'canceled ordersFull': 'what is triggered has its slot',
  'canceled balancesFull': 'what is triggered got its balances when it was entered',
};
/** Reasons of the first table of docs/reject-reasons.md with which an order that was triggered may be canceled. */
const CANCELED_LATE = ['levelsFull', 'postOnlyWouldTrade', 'stopWouldTrigger', 'phase', 'insufficientFunds'];
const LAST_OF_REJECTIONS = 63;
const REBATE = 'settled with a rebate';

/** Every kind of event and every reason that there is. */
function wanted(): string[] {
  const types = Object.keys(EventType).filter((type) => !['top', 'rejected', 'canceled', 'part'].includes(type));
  const reasons = Object.entries(Reason).filter(([, code]) => code > 0);
  return [
    ...types.map((type) => `${type} none`),
    REBATE,
    ...reasons.map(([reason, code]) => `${code <= LAST_OF_REJECTIONS ? 'rejected' : 'canceled'} ${reason}`),
    ...[...CANCELED_LATE, 'allOrNoneFull', 'balancesFull', 'ordersFull'].map((reason) => `canceled ${reason}`),
  ];
}

const reached = new Map<string, number>();

/** Runs a flow, perhaps with amounts at the ends of their ranges, through the matcher and the model; what differs first. */
function compare(seed: number, commands: number, distance?: Distance): string | undefined {
  const flow = new WholeFlow(seed, commands);
  const pair = new VenuePair(limitsFor(seed), seed);
  for (let place = 0; place < commands; place++) {
    const near = flow.next();
    const command = distance === undefined ? near : farther(near, distance);
    if (pair.isBeyondModel(command)) continue;
    const isTime = (every: number): boolean => place % every === every - 1;
    const wrong =
      pair.apply(command, flow.time) ??
      (isTime(RESTORE_EVERY) ? pair.restore() : undefined) ??
      (isTime(AUDIT_EVERY) ? pair.audit() : undefined);
    if (wrong !== undefined)
      return `seed ${seed}${distance === undefined ? '' : ', far'}, command ${place}: ${inWords(command)}: ${wrong}`;
    for (const event of pair.told) {
      flow.observe(event);
      const key = `${event.type} ${event.reason}`;
      for (const one of event.type === 'settled' && event.open < 0 ? [key, REBATE] : [key])
        reached.set(one, (reached.get(one) ?? 0) + 1);
    }
  }
  return undefined;
}

test(`matcher and the model of all rules agree on ${COMMANDS} commands`, () => {
  for (let done = 0, seed = SEED; done < COMMANDS; done += COMMANDS_PER_FLOW, seed++) {
    const commands = Math.min(COMMANDS_PER_FLOW, COMMANDS - done);
    const distance = distanceOf(seed);
    const difference =
      compare(seed, commands) ?? (distance === undefined ? undefined : compare(seed, commands, distance));
    if (difference !== undefined) throw new Error(difference);
  }
  if (process.env['VERITAPE_RULES_COUNTS'] !== undefined)
    process.stderr.write(`${JSON.stringify(Object.fromEntries([...reached].sort()), null, 1)}\n`);
  const missing = COMMANDS < 60_000 ? [] : wanted().filter((key) => !reached.has(key) && !(key in UNREACHED));
  expect(missing).toEqual([]);
}, 600_000);
