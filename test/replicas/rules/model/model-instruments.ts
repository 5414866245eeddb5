import type { ReasonName } from '../../../../journal/reasons.ts';
import type { MarketCommand } from '../../reference-command.ts';
import { type ModelExchange, SETTING } from './model-exchange.ts';
import type { ModelInstrument } from './model-order.ts';
import { FLAG, isSetting } from './model-terms.ts';

const FLAG_CLOSED_EVENT = 4;

export function createInstrument(exchange: ModelExchange, command: MarketCommand): ReasonName | undefined {
  exchange.instruments.set(command.symbol, {
    symbol: command.symbol,
    name: command.name ?? '',
    quantityMax: Number(command.quantity),
    priceMax: Number(command.extra),
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
  const instrument = exchange.instruments.get(command.symbol);
  if (instrument === undefined) return 'unknownSymbol';
  instrument.quantityMax = Number(command.quantity);
  instrument.priceMax = Number(command.extra);
  instrument.closed = (command.flags & FLAG.closed) !== 0;
  tellInstrument(exchange, command);
  return undefined;
}

function tellInstrument(exchange: ModelExchange, command: MarketCommand): void {
  const instrument = exchange.instruments.get(command.symbol) as ModelInstrument;
  exchange.events.other({
    type: 'instrument',
    flags: instrument.closed ? FLAG_CLOSED_EVENT : 0,
    symbol: command.symbol,
    id: instrument.quantityMax,
    account: command.account,
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
  if (!isSetting(kind, command.extra)) return 'setting';
  const unfundable = exchange.funds.whyNotFundable(instrument, kind, command.extra);
  if (unfundable !== undefined) return unfundable;
  instrument.settings.set(kind, Number(command.extra));
  const { symbol, account, request } = command;
  exchange.events.other({ type: 'setting', symbol, account, request, slot: kind, price: Number(command.extra) });
  if (kind === SETTING.batchNs) exchange.phases.afterBatchSetting(instrument);
  return undefined;
}
