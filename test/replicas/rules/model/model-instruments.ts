import { EventFlag } from '../../../../journal/events.ts';
import type { ReasonName } from '../../../../journal/reasons.ts';
import type { MarketCommand } from '../../reference-command.ts';
import { type ModelExchange, SETTING } from './model-exchange.ts';
import type { ModelInstrument } from './model-order.ts';
import { FLAG, isPrice, isSetting } from './model-terms.ts';

const FLAG_ELSEWHERE = 64;
const AMOUNT_MAX = 2n ** 48n - 1n;
const U32_MAX = 2n ** 32n - 1n;

const isPriceLimit = (value: bigint): boolean => value === 0n || isPrice(value);

export function createInstrument(exchange: ModelExchange, command: MarketCommand): ReasonName | undefined {
  const { flags, symbol, name, quantity, extra } = command;
  const isElsewhere = flags === FLAG_ELSEWHERE;
  if ((flags & ~FLAG_ELSEWHERE) !== 0) return 'flags';
  if (symbol >= exchange.limits.instrumentsMax) return 'instrumentsFull';
  if (name === undefined) return 'name';
  if (quantity > AMOUNT_MAX) return 'quantity';
  if (isElsewhere ? extra > U32_MAX : !isPriceLimit(extra)) return isElsewhere ? 'shard' : 'price';
  if (exchange.instruments.has(symbol)) return 'symbolExists';
  if ([...exchange.instruments.values()].some((other) => other.name === name)) return 'nameExists';
  exchange.instruments.set(symbol, {
    symbol,
    name,
    ruled: exchange.accounts.inForce,
    elsewhere: isElsewhere ? Number(extra) : undefined,
    shard: isElsewhere ? Number(extra) : 0,
    assignments: isElsewhere ? 1 : 0,
    leaving: undefined,
    quantityMax: Number(quantity),
    priceMax: isElsewhere ? 0 : Number(extra),
    closed: false,
    settings: new Map(),
    phase: 0,
    last: 0,
    resting: [],
    waiting: [],
  });
  tellInstrument(exchange, command);
  return undefined;
}

export function updateInstrument(exchange: ModelExchange, command: MarketCommand): ReasonName | undefined {
  const { flags, quantity, extra } = command;
  if ((flags & ~(FLAG.closed | FLAG_ELSEWHERE)) !== 0) return 'flags';
  const instrument = exchange.instruments.get(command.symbol);
  if (instrument === undefined) return 'unknownSymbol';
  const isMeantElsewhere = (flags & FLAG_ELSEWHERE) !== 0;
  if (isMeantElsewhere && instrument.elsewhere === undefined) return 'tradesHere';
  if (!isMeantElsewhere && instrument.elsewhere !== undefined) return 'otherShard';
  if (quantity > AMOUNT_MAX) return 'quantity';
  if (!isPriceLimit(extra)) return 'price';
  instrument.quantityMax = Number(quantity);
  instrument.priceMax = Number(extra);
  instrument.closed = (flags & FLAG.closed) !== 0;
  tellInstrument(exchange, command);
  return undefined;
}

export function assignInstrument(exchange: ModelExchange, command: MarketCommand): ReasonName | undefined {
  const { flags, extra } = command;
  if ((flags & ~FLAG_ELSEWHERE) !== 0) return 'flags';
  if (flags === 0 && extra !== 0n) return 'reservedField';
  if (extra > U32_MAX) return 'shard';
  const instrument = exchange.instruments.get(command.symbol);
  if (instrument === undefined) return 'unknownSymbol';
  if (instrument.ruled) return 'notSupported';
  instrument.elsewhere = flags === 0 ? undefined : Number(extra);
  instrument.shard = Number(extra);
  instrument.assignments++;
  tellInstrument(exchange, command);
  return undefined;
}

function tellInstrument(exchange: ModelExchange, { symbol, account, request }: MarketCommand): void {
  const instrument = exchange.instruments.get(symbol) as ModelInstrument;
  const closed = instrument.closed ? EventFlag.closed : 0;
  exchange.events.other({
    type: 'instrument',
    flags: closed | (instrument.elsewhere === undefined ? 0 : EventFlag.elsewhere),
    symbol,
    id: instrument.quantityMax,
    account,
    slot: instrument.shard,
    generation: instrument.assignments,
    request,
    open: instrument.priceMax,
    name: instrument.name,
  });
}

export function setInstrument(exchange: ModelExchange, command: MarketCommand): ReasonName | undefined {
  const kind = command.flags >>> 24;
  if ((command.flags & 0xff_ffff) !== 0) return 'flags';
  const { sideCode, type, tif, id, price, quantity } = command;
  if (sideCode !== 0 || type !== 0 || tif !== 0 || id !== 0n || price !== 0n || quantity !== 0n) return 'reservedField';
  const instrument = exchange.instruments.get(command.symbol);
  if (instrument === undefined) return 'unknownSymbol';
  if (instrument.elsewhere !== undefined) return 'otherShard';
  if (!isSetting(kind, command.extra)) return 'setting';
  const unfundable = exchange.funds.whyNotFundable(instrument, kind, command.extra);
  if (unfundable !== undefined) return unfundable;
  instrument.ruled = true;
  instrument.settings.set(kind, Number(command.extra));
  const { symbol, account, request } = command;
  exchange.events.other({ type: 'setting', symbol, account, request, slot: kind, price: Number(command.extra) });
  if (kind === SETTING.batchNs) exchange.phases.afterBatchSetting(instrument);
  return undefined;
}
