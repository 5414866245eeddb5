import { COMMAND_WORD, Op, OrderType, TERM_SHIFT, Term, TimeInForce } from '../../journal/commands.ts';

/** Flags that a plain new order does not have: terms, hidden, all or none, groups. */
const RULED_FLAGS = 0x0780;
const RULED_OPS: readonly number[] = [
  ...[Op.terms, Op.instrumentSet, Op.accountSet, Op.tick],
  ...[Op.deposit, Op.withdraw, Op.kill, Op.reinstate],
  ...[Op.moveStatus, Op.moveTerms, Op.moveSet],
  ...[Op.halt, Op.resume, Op.openAuction, Op.uncross, Op.schedule, Op.unschedule, Op.phase],
];
/** No command has it. */
const NO_OP = 0;

/** Leaves of a record at word `at` what the plain rules of the market know, or what no rule knows. */
export function keepPlain(words: Uint32Array, at: number): void {
  const head = words[at] as number;
  const op = head & 255;
  if (RULED_OPS.includes(op)) words[at] = (head & ~255) | NO_OP;
  const term = (words[at + COMMAND_WORD.flags] as number) >>> TERM_SHIFT;
  if (op === Op.replace && (term === Term.stopPrice || term === Term.trail))
    words[at + COMMAND_WORD.flags] = (words[at + COMMAND_WORD.flags] as number) | (255 << TERM_SHIFT);
  if (op !== Op.new) return;
  const type = (head >>> 16) & 255;
  const tif = head >>> 24;
  const isKnownType = type <= OrderType.market || type > OrderType.stopLimit;
  const isKnownTif = tif <= TimeInForce.fok || tif > TimeInForce.atTheClose;
  words[at] = (head & 0xffff) | ((isKnownType ? type : 255) << 16) | ((isKnownTif ? tif : 255) << 24);
  const flags = words[at + COMMAND_WORD.flags] as number;
  words[at + COMMAND_WORD.flags] = flags & 0xffff & ~RULED_FLAGS;
}
