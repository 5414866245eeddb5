import { type Command, TERM_NAMES } from './commands.ts';

/**
 * A record has room for one term. Of a new order that has more, all but the last go before it as `terms` commands; the matcher
 * keeps them until the new order comes (docs/market-rules.md, Terms).
 */

/**
 * The commands, one for each record, that say what `command` says. Request numbers count up from the command's own, if it has
 * one. Throws a RangeError if there is no way to say it.
 */
export function recordsOf(command: Command): Command[] {
  const { stopPrice, trail, expires, display, minQty, cancels, after, open, ...rest } = command;
  const values = { stopPrice, trail, expires, display, minQty, cancels, after, open };
  const given = TERM_NAMES.filter((term) => values[term] !== undefined);
  const last = given.pop();
  if (last === undefined) return [command];
  const [other] = given;
  if (command.term !== undefined) throw new RangeError(`term: ${command.term} is given beside terms by name`);
  if (command.op !== 'new' && command.op !== 'replace')
    throw new RangeError(`${last}: ${values[last]} is a term, and a ${command.op} has none`);
  if (command.op === 'replace' && other !== undefined)
    throw new RangeError(`${last}: ${values[last]} is given beside ${other}, and a replace has room for one term`);
  if (command.op === 'new' && open !== undefined)
    throw new RangeError(`open: ${open} is what a replace takes its order to have, and a new order has none`);
  const { account, symbol, id, session, request, time } = command;
  const named = { account, symbol, id, session, time };
  const numbered = (index: number): { request: number | undefined } => ({
    request: request === undefined ? undefined : request + index,
  });
  return [
    ...given.map((term, index): Command => ({ op: 'terms', ...named, ...numbered(index), term, value: values[term] })),
    {
      ...rest,
      ...numbered(given.length),
      ...(other === undefined ? {} : { hasTerms: true }),
      term: last,
      value: values[last],
    },
  ];
}
