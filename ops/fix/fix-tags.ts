import { ExecType } from '../reports/order-state.ts';
import type { FixField } from './fix-codec.ts';

/** Numbers of the FIX fields that the gateway reads or writes, by their names in the standard (FIX 4.4, FIX 5.0 SP2). */
export const Tag = {
  Account: 1,
  AvgPx: 6,
  BeginSeqNo: 7,
  BeginString: 8,
  BodyLength: 9,
  CheckSum: 10,
  ClOrdID: 11,
  CumQty: 14,
  EndSeqNo: 16,
  ExecID: 17,
  ExecInst: 18,
  HandlInst: 21,
  LastPx: 31,
  LastQty: 32,
  MsgSeqNum: 34,
  MsgType: 35,
  NewSeqNo: 36,
  OrderID: 37,
  OrderQty: 38,
  OrdStatus: 39,
  OrdType: 40,
  OrigClOrdID: 41,
  PossDupFlag: 43,
  Price: 44,
  RefSeqNum: 45,
  SenderCompID: 49,
  SenderSubID: 50,
  SendingTime: 52,
  Side: 54,
  Symbol: 55,
  TargetCompID: 56,
  TargetSubID: 57,
  Text: 58,
  TimeInForce: 59,
  TransactTime: 60,
  PossResend: 97,
  StopPx: 99,
  EncryptMethod: 98,
  CxlRejReason: 102,
  OrdRejReason: 103,
  HeartBtInt: 108,
  MinQty: 110,
  MaxFloor: 111,
  TestReqID: 112,
  OrigSendingTime: 122,
  GapFillFlag: 123,
  ExpireTime: 126,
  NoMiscFees: 136,
  MiscFeeAmt: 137,
  MiscFeeCurr: 138,
  MiscFeeType: 139,
  ResetSeqNumFlag: 141,
  ExecType: 150,
  LeavesQty: 151,
  RefTagID: 371,
  RefMsgType: 372,
  SessionRejectReason: 373,
  ExecRestatementReason: 378,
  BusinessRejectRefID: 379,
  BusinessRejectReason: 380,
  CxlRejResponseTo: 434,
  MassCancelRequestType: 530,
  MassCancelResponse: 531,
  MassCancelRejectReason: 532,
  TotalAffectedOrders: 533,
  Username: 553,
  Password: 554,
  NextExpectedMsgSeqNum: 789,
  OrdStatusReqID: 790,
  LastLiquidityInd: 851,
  ApplVerID: 1128,
  DefaultApplVerID: 1137,
  DisplayQty: 1138,
  MassActionReportID: 1369,
  SelfMatchPreventionInstruction: 2964,
} as const;

/** FIX 35. */
export const MsgType = {
  Heartbeat: '0',
  TestRequest: '1',
  ResendRequest: '2',
  Reject: '3',
  SequenceReset: '4',
  Logout: '5',
  ExecutionReport: '8',
  OrderCancelReject: '9',
  Logon: 'A',
  NewOrderSingle: 'D',
  OrderCancelRequest: 'F',
  OrderCancelReplaceRequest: 'G',
  OrderStatusRequest: 'H',
  BusinessMessageReject: 'j',
  OrderMassCancelRequest: 'q',
  OrderMassCancelReport: 'r',
} as const;

/** FIX 851: which side of a trade. */
export const LastLiquidityInd = { added: '1', removed: '2', auction: '4' } as const;
/** FIX 139: exchange fees. */
export const EXCHANGE_FEES = '4';
/** FIX 378. */
export const RESTATED_OTHER = '99';

/** Fields that FIX 4.4 does not know. */
const SINCE_FIX_5: ReadonlySet<number> = new Set([Tag.MassActionReportID]);
/** Values that it does not know, and what it has in place of them; peers that check by its dictionary refuse a message with one. */
const VALUES_SINCE_FIX_5: readonly {
  readonly tag: number;
  readonly value: string;
  readonly becomes: readonly FixField[];
}[] = [
  { tag: Tag.LastLiquidityInd, value: LastLiquidityInd.auction, becomes: [] },
  {
    ...{ tag: Tag.ExecType, value: ExecType.triggered },
    becomes: [
      [Tag.ExecType, ExecType.restated],
      [Tag.ExecRestatementReason, RESTATED_OTHER],
    ],
  },
];

/** The fields of a message as FIX 4.4 has them. */
export function inFix44(body: readonly FixField[]): readonly FixField[] {
  return body
    .filter(([tag]) => !SINCE_FIX_5.has(tag))
    .flatMap((field) => {
      const newer = VALUES_SINCE_FIX_5.find(({ tag, value }) => tag === field[0] && value === field[1]);
      return newer === undefined ? [field] : newer.becomes;
    });
}

/** FIX 373: why a message was rejected by the session. */
export const RejectReason = {
  invalidTag: 0,
  requiredTagMissing: 1,
  tagWithoutValue: 4,
  valueIncorrect: 5,
  dataFormat: 6,
  compId: 9,
  sendingTime: 10,
  invalidMsgType: 11,
  tagTwice: 13,
  groupCount: 16,
  other: 99,
} as const;

export const SOH = '\u0001';

const NAMES = new Map<number, string>(Object.entries(Tag).map(([name, tag]) => [tag, name]));

/** What people call a field: `Price (44)`. */
export function tagName(tag: number): string {
  const name = NAMES.get(tag);
  return name === undefined ? `tag ${tag}` : `${name} (${tag})`;
}
