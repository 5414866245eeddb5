/** Written by bin/matcher.js from the tables of journal/: change those. */
export const AMOUNT_MAX: u64 = 281474976710655;
export const PRICE_MAX: u64 = 281474976710653;
export const SIDE_ANY: u32 = 2;
export const STP_SHIFT: u32 = 16;
export const TERM_SHIFT: u32 = 24;

export class Op {
  static readonly newOrder: u32 = 1;
  static readonly cancel: u32 = 2;
  static readonly reduce: u32 = 3;
  static readonly replace: u32 = 4;
  static readonly massCancel: u32 = 5;
  static readonly terms: u32 = 6;
  static readonly massStatus: u32 = 7;
  static readonly moveIn: u32 = 8;
  static readonly moveOut: u32 = 9;
  static readonly moveStatus: u32 = 10;
  static readonly moveTerms: u32 = 11;
  static readonly moveSet: u32 = 12;
  static readonly instrumentCreate: u32 = 16;
  static readonly instrumentUpdate: u32 = 17;
  static readonly halt: u32 = 18;
  static readonly resume: u32 = 19;
  static readonly openAuction: u32 = 20;
  static readonly uncross: u32 = 21;
  static readonly instrumentAssign: u32 = 22;
  static readonly instrumentSet: u32 = 23;
  static readonly sessionOpen: u32 = 24;
  static readonly sessionClose: u32 = 25;
  static readonly accountSet: u32 = 26;
  static readonly tick: u32 = 27;
  static readonly schedule: u32 = 28;
  static readonly unschedule: u32 = 29;
  static readonly phase: u32 = 30;
  static readonly deposit: u32 = 32;
  static readonly withdraw: u32 = 33;
  static readonly kill: u32 = 34;
  static readonly reinstate: u32 = 35;
}

export class OrderType {
  static readonly limit: u32 = 0;
  static readonly market: u32 = 1;
  static readonly stop: u32 = 2;
  static readonly stopLimit: u32 = 3;
}

export class TimeInForce {
  static readonly gtc: u32 = 0;
  static readonly ioc: u32 = 1;
  static readonly fok: u32 = 2;
  static readonly day: u32 = 3;
  static readonly gtd: u32 = 4;
  static readonly atTheOpen: u32 = 5;
  static readonly atTheClose: u32 = 6;
}

export class SelfTradePrevention {
  static readonly none: u32 = 0;
  static readonly cancelNewest: u32 = 1;
  static readonly cancelOldest: u32 = 2;
  static readonly cancelBoth: u32 = 3;
  static readonly decrement: u32 = 4;
}

export class Term {
  static readonly none: u32 = 0;
  static readonly stopPrice: u32 = 1;
  static readonly trail: u32 = 2;
  static readonly expires: u32 = 3;
  static readonly display: u32 = 4;
  static readonly minQty: u32 = 5;
  static readonly cancels: u32 = 6;
  static readonly after: u32 = 7;
  static readonly open: u32 = 10;
}

export class MovedTerm {
  static readonly shown: u32 = 8;
  static readonly book: u32 = 9;
}

export class Setting {
  static readonly none: u32 = 0;
  static readonly tick: u32 = 1;
  static readonly lot: u32 = 2;
  static readonly stp: u32 = 3;
  static readonly postOnlySlide: u32 = 4;
  static readonly band: u32 = 5;
  static readonly stopsMax: u32 = 7;
  static readonly stopEntry: u32 = 8;
  static readonly bandRests: u32 = 9;
  static readonly referencePrice: u32 = 10;
  static readonly volatilityTicks: u32 = 11;
  static readonly volatilityNs: u32 = 12;
  static readonly batchNs: u32 = 13;
  static readonly bandOneSided: u32 = 19;
  static readonly minQuantity: u32 = 20;
  static readonly maxNotional: u32 = 21;
  static readonly priceBand: u32 = 22;
  static readonly bandReference: u32 = 23;
  static readonly baseAsset: u32 = 32;
  static readonly quoteAsset: u32 = 33;
  static readonly lotValue: u32 = 34;
  static readonly tickValue: u32 = 35;
  static readonly makerFee: u32 = 36;
  static readonly takerFee: u32 = 37;
  static readonly feeAccount: u32 = 38;
  static readonly makerRebate: u32 = 39;
}

export class MovedSetting {
  static readonly phase: u32 = 24;
  static readonly phaseEnds: u32 = 25;
  static readonly nextBatch: u32 = 26;
  static readonly leaving: u32 = 27;
  static readonly last: u32 = 64;
  static readonly scheduled: u32 = 65;
}

export class AccountSetting {
  static readonly none: u32 = 0;
  static readonly roles: u32 = 1;
  static readonly group: u32 = 2;
  static readonly openOrdersMax: u32 = 3;
  static readonly rateMax: u32 = 4;
  static readonly quantityMax: u32 = 5;
  static readonly notionalMax: u32 = 6;
  static readonly increasingIds: u32 = 7;
  static readonly cancelAllAfter: u32 = 8;
}

export class Phase {
  static readonly continuous: u32 = 0;
  static readonly preOpen: u32 = 1;
  static readonly openingAuction: u32 = 2;
  static readonly volatilityAuction: u32 = 3;
  static readonly closingAuction: u32 = 4;
  static readonly halted: u32 = 5;
  static readonly closed: u32 = 6;
  static readonly delisted: u32 = 7;
}

export class Role {
  static readonly administrator: u32 = 1;
  static readonly marketOperations: u32 = 2;
  static readonly risk: u32 = 4;
  static readonly clearing: u32 = 8;
}

export class Flag {
  static readonly postOnly: u32 = 1;
  static readonly hasPrice: u32 = 2;
  static readonly hasQuantity: u32 = 4;
  static readonly byAccount: u32 = 8;
  static readonly bySymbol: u32 = 16;
  static readonly closed: u32 = 32;
  static readonly elsewhere: u32 = 64;
  static readonly hasTerms: u32 = 128;
  static readonly hidden: u32 = 256;
  static readonly allOrNone: u32 = 512;
  static readonly byGroup: u32 = 1024;
}

export class EventType {
  static readonly accepted: u32 = 1;
  static readonly rejected: u32 = 2;
  static readonly tradeMaker: u32 = 3;
  static readonly tradeTaker: u32 = 4;
  static readonly canceled: u32 = 5;
  static readonly replaced: u32 = 6;
  static readonly triggered: u32 = 7;
  static readonly refreshed: u32 = 8;
  static readonly instrument: u32 = 9;
  static readonly session: u32 = 10;
  static readonly answer: u32 = 11;
  static readonly top: u32 = 12;
  static readonly status: u32 = 13;
  static readonly setting: u32 = 14;
  static readonly state: u32 = 17;
  static readonly indicative: u32 = 18;
  static readonly auction: u32 = 19;
  static readonly account: u32 = 20;
  static readonly balance: u32 = 21;
  static readonly settled: u32 = 22;
  static readonly kill: u32 = 23;
  static readonly part: u32 = 24;
}

export class EventFlag {
  static readonly kept: u32 = 1;
  static readonly repeat: u32 = 2;
  static readonly closed: u32 = 4;
  static readonly done: u32 = 8;
  static readonly postOnly: u32 = 16;
  static readonly elsewhere: u32 = 32;
  static readonly auction: u32 = 64;
  static readonly scheduled: u32 = 128;
}

export class MovePart {
  static readonly last: u32 = 1;
  static readonly setting: u32 = 2;
  static readonly scheduled: u32 = 3;
  static readonly order: u32 = 4;
  static readonly terms: u32 = 5;
  static readonly sizes: u32 = 6;
  static readonly links: u32 = 7;
  static readonly named: u32 = 8;
}

export class Reason {
  static readonly none: u32 = 0;
  static readonly unknownSymbol: u32 = 1;
  static readonly unknownOrder: u32 = 2;
  static readonly duplicateOrder: u32 = 3;
  static readonly price: u32 = 4;
  static readonly quantity: u32 = 5;
  static readonly side: u32 = 6;
  static readonly orderType: u32 = 7;
  static readonly timeInForce: u32 = 8;
  static readonly flags: u32 = 9;
  static readonly reservedField: u32 = 10;
  static readonly notSupported: u32 = 11;
  static readonly postOnlyWouldTrade: u32 = 12;
  static readonly ordersFull: u32 = 13;
  static readonly levelsFull: u32 = 14;
  static readonly instrumentClosed: u32 = 15;
  static readonly priceMax: u32 = 16;
  static readonly quantityMax: u32 = 17;
  static readonly nothingToReplace: u32 = 18;
  static readonly instrumentsFull: u32 = 19;
  static readonly symbolExists: u32 = 20;
  static readonly nameExists: u32 = 21;
  static readonly name: u32 = 22;
  static readonly otherShard: u32 = 23;
  static readonly tradesHere: u32 = 24;
  static readonly shard: u32 = 25;
  static readonly terms: u32 = 26;
  static readonly termsMissing: u32 = 27;
  static readonly tick: u32 = 28;
  static readonly lot: u32 = 29;
  static readonly setting: u32 = 30;
  static readonly stp: u32 = 31;
  static readonly sessionUnknown: u32 = 32;
  static readonly sessionsFull: u32 = 33;
  static readonly sessionAccount: u32 = 34;
  static readonly requestGap: u32 = 35;
  static readonly requestTooOld: u32 = 36;
  static readonly display: u32 = 37;
  static readonly allOrNoneFull: u32 = 38;
  static readonly openChanged: u32 = 39;
  static readonly stopsFull: u32 = 42;
  static readonly stopWouldTrigger: u32 = 43;
  static readonly listFull: u32 = 44;
  static readonly phase: u32 = 45;
  static readonly phaseChange: u32 = 46;
  static readonly expires: u32 = 47;
  static readonly calendarFull: u32 = 48;
  static readonly schedule: u32 = 49;
  static readonly accountKilled: u32 = 50;
  static readonly rateMax: u32 = 51;
  static readonly minQuantity: u32 = 52;
  static readonly priceBand: u32 = 53;
  static readonly maxNotional: u32 = 54;
  static readonly accountQuantityMax: u32 = 55;
  static readonly accountNotionalMax: u32 = 56;
  static readonly idNotIncreasing: u32 = 57;
  static readonly openOrdersMax: u32 = 58;
  static readonly accountsFull: u32 = 59;
  static readonly balancesFull: u32 = 60;
  static readonly insufficientFunds: u32 = 61;
  static readonly amount: u32 = 62;
  static readonly instrumentInUse: u32 = 63;
  static readonly requested: u32 = 64;
  static readonly reduced: u32 = 65;
  static readonly ioc: u32 = 66;
  static readonly fok: u32 = 67;
  static readonly massCancel: u32 = 68;
  static readonly moved: u32 = 69;
  static readonly selfTrade: u32 = 70;
  static readonly minQty: u32 = 71;
  static readonly band: u32 = 72;
  static readonly allOrNone: u32 = 73;
  static readonly linked: u32 = 74;
  static readonly orphaned: u32 = 75;
  static readonly expired: u32 = 77;
  static readonly auctionOver: u32 = 78;
  static readonly delisted: u32 = 79;
  static readonly killSwitch: u32 = 81;
  static readonly cancelAllAfter: u32 = 82;
}
