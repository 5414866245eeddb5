import { beforeEach, expect, test } from '@jest/globals';
import { encodeCommand } from '../../../journal/commands.ts';
import { FeedBook, type FeedState } from '../../../ops/feed/feed-book.ts';
import {
  decodeFeedRequest,
  encodeFeedRequest,
  type FeedRequest,
  type FeedViewName,
  feedAskSubject,
  PacketKind,
  readMessage,
  readPacketHeader,
} from '../../../ops/feed/feed-records.ts';
import { Flow } from '../../replicas/flows.ts';
import { FedMarket, readBook } from './fed-market.ts';
import { RuledFlow } from './ruled-flow.ts';

/** Messages that a publisher keeps. */
const KEPT = 512;

let market: FedMarket;
/** Published packets of instrument 0, by view. */
let published: Map<string, Uint8Array[]>;
/** Requests that a book made, and the states that it was in. */
let asked: { readonly subject: string; readonly request: Uint8Array }[];
let states: FeedState[];

beforeEach(() => {
  published = new Map();
  asked = [];
  states = [];
  market = new FedMarket(new Flow('deep', 11), KEPT, (subject, packet) => {
    const packets = published.get(subject) ?? [];
    published.set(subject, packets);
    packets.push(packet);
  });
  market.apply(200);
});

function bookOf(view: FeedViewName = 'orders', symbol = 0): FeedBook {
  return new FeedBook({
    ...{ prefix: 'market', shard: 7, symbol, view },
    ask: (subject, request) => asked.push({ subject, request }),
    onState: (state) => states.push(state),
  });
}

/** What was published for a book since the last call. */
function packetsFor(book: FeedBook): Uint8Array[] {
  return published.get(book.subject)?.splice(0) ?? [];
}

/** The publisher's answers to what the book has asked since the last call. */
function answers(): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (const { subject, request } of asked.splice(0))
    market.publisher.answer(subject, request, (packet) => packets.push(packet), market.now);
  return packets;
}

function requests(): (FeedRequest | undefined)[] {
  return asked.map(({ request }) => decodeFeedRequest(request));
}

function takeAll(book: FeedBook, packets: readonly Uint8Array[]): void {
  for (const packet of packets) book.take(packet, market.now);
}

function joined(view: FeedViewName = 'orders'): FeedBook {
  const book = bookOf(view);
  packetsFor(book);
  book.step(market.now);
  takeAll(book, answers());
  expect(book.state).toBe('live');
  return book;
}

/** Lets the market go on until a view has something to tell. */
function more(book: FeedBook): Uint8Array[] {
  for (;;) {
    market.apply(5);
    const packets = packetsFor(book);
    if (packets.length > 0) return packets;
  }
}

/** Moves the clock on until heartbeats come. */
function quiet(book: FeedBook): Uint8Array[] {
  for (;;) {
    market.now += 100;
    market.publisher.step(market.now);
    const packets = packetsFor(book);
    if (packets.length > 0) return packets;
  }
}

function isTrue(book: FeedBook, view: FeedViewName = 'orders'): void {
  expect(readBook(book, view)).toBe(market.history.at(0, book.sequence, view));
}

test('the lost last packet is found out by the heartbeat after it, and repaired', () => {
  const book = joined();
  const lost = more(book);
  expect(lost.length).toBeGreaterThan(0);
  takeAll(book, quiet(book));
  expect(book.state).toBe('repairing');
  expect(requests()).toEqual([{ kind: 'repair', epoch: book.epoch, from: book.number + 1, to: 0 }]);
  takeAll(book, answers());
  expect([book.state, book.sequence]).toEqual(['live', market.matcher.sequence()]);
  isTrue(book);
});

test('between its intervals the conflated view claims no more than it has told, in heartbeats and in repairs', () => {
  const book = joined('conflated');
  takeAll(book, quiet(book));
  isTrue(book, 'conflated');
  const told = book.sequence;
  // Within an interval, and a second after the packet, so that a heartbeat is due.
  for (const ms of [960, 1]) {
    market.now += ms;
    market.publisher.step(market.now);
  }
  market.apply(50);
  market.now += 50;
  market.publisher.step(market.now);
  const heartbeats = packetsFor(book);
  expect(heartbeats).toHaveLength(1);
  takeAll(book, heartbeats);
  expect([book.state, book.sequence]).toEqual(['live', told]);
  isTrue(book, 'conflated');
  // Up to the newest message, and to one in the middle of the run that told of many commands.
  expect(book.number).toBeGreaterThan(2);
  const sequences = [0, book.number - 1].map((to) => {
    const request = encodeFeedRequest({ kind: 'repair', epoch: book.epoch, from: 1, to });
    let repaired = Number.NaN;
    const respond = (packet: Uint8Array): void => {
      repaired =
        readPacketHeader(new DataView(packet.buffer, packet.byteOffset, packet.length))?.sequence ?? Number.NaN;
    };
    market.publisher.answer(feedAskSubject('market', 7, 0, 'conflated'), request, respond, market.now);
    return repaired;
  });
  expect(sequences).toEqual([told, 0]);
  takeAll(book, quiet(book));
  expect(book.sequence).toBe(market.matcher.sequence());
  isTrue(book, 'conflated');
});

test('a gap is asked for up to what came after it, and what came is applied once', () => {
  const book = joined();
  const first = more(book);
  const second = more(book);
  const before = book.number;
  takeAll(book, second);
  takeAll(book, second);
  expect([book.state, book.number]).toEqual(['repairing', before]);
  const gap = first.reduce((sum, packet) => sum + (packet.length - 64) / 64, 0);
  expect(requests()).toEqual([{ kind: 'repair', epoch: book.epoch, from: before + 1, to: before + gap }]);
  takeAll(book, answers());
  takeAll(book, first);
  expect(book.state).toBe('live');
  isTrue(book);
});

test('an answer that is of no use is not asked for again at once', () => {
  const book = joined();
  more(book);
  takeAll(book, more(book));
  const [repair] = answers();
  const useless = new Uint8Array(repair?.subarray(0, 64) ?? []);
  new DataView(useless.buffer).setUint32(48, 0, true);
  for (let times = 0; times < 100; times++) book.take(useless, market.now);
  expect(asked.length).toBe(0);
  book.step(market.now + 999);
  expect(asked.length).toBe(0);
  book.step(market.now + 1_000);
  takeAll(book, answers());
  expect(book.state).toBe('live');
  isTrue(book);
});

test('numbers that are kept no more are answered so, and the book begins again with a snapshot', () => {
  const book = joined();
  const lost: Uint8Array[] = [];
  while (lost.reduce((sum, packet) => sum + packet.length / 64, 0) < 2 * KEPT) lost.push(...more(book));
  takeAll(book, more(book));
  expect(book.state).toBe('repairing');
  takeAll(book, answers());
  expect(book.state).toBe('joining');
  expect(requests().map((request) => request?.kind)).toEqual(['snapshot']);
  takeAll(book, answers());
  // It was told so, and did not find out by what it got.
  expect([market.publisher.counts.refusals, book.counts.misfits]).toEqual([1, 0]);
  expect([book.state, book.counts.joins]).toEqual(['live', 2]);
  isTrue(book);
  expect(states).toEqual(['live', 'repairing', 'joining', 'live']);
});

test('a new publisher’s packet begins a new join at once; what the one before still says is dropped', () => {
  const book = joined();
  const old = more(book);
  const { epoch } = book;
  market.restartPublisher();
  const [heartbeat] = packetsFor(book);
  book.take(heartbeat ?? new Uint8Array(), market.now);
  expect(book.state).toBe('joining');
  takeAll(book, answers());
  expect([book.state, book.epoch]).toEqual(['live', epoch + 1]);
  const { number } = book;
  takeAll(book, old);
  expect([book.state, book.epoch, book.number, asked.length]).toEqual(['live', epoch + 1, number, 0]);
  takeAll(book, more(book));
  isTrue(book);
});

test('a publisher of a lower epoch is joined when the one of the higher epoch is gone', () => {
  const book = joined();
  const { epoch } = book;
  // As if the book's epoch had been counted by a clock that was ahead.
  const ahead = (packet: Uint8Array): Uint8Array => {
    const later = new Uint8Array(packet);
    new DataView(later.buffer).setUint32(16, epoch + 1_000, true);
    return later;
  };
  takeAll(book, more(book).map(ahead));
  takeAll(book, answers().map(ahead));
  expect([book.state, book.epoch]).toEqual(['live', epoch + 1_000]);
  market.now += 4_000;
  takeAll(book, more(book));
  takeAll(book, answers());
  expect(book.state).toBe('joining');
  takeAll(book, answers());
  expect([book.state, book.epoch]).toEqual(['live', epoch]);
  isTrue(book);
});

test('where two publishers answer, the book is that of the newer one, whoever answers first', () => {
  const before = market.publisher;
  market.restartPublisher();
  for (const publishers of [
    [before, market.publisher],
    [market.publisher, before],
  ]) {
    // It has heard nothing that was published.
    const book = bookOf();
    book.step(market.now);
    const [{ subject, request } = { subject: '', request: new Uint8Array() }] = asked.splice(0);
    for (const publisher of publishers)
      publisher.answer(subject, request, (packet) => book.take(packet, market.now), market.now);
    expect([book.state, book.epoch]).toEqual(['live', 1_002]);
  }
});

test('a refusal of another view, or of an epoch that is over, is none of the book’s', () => {
  const book = joined();
  packetsFor(book);
  const wanted = encodeFeedRequest({ kind: 'repair', epoch: book.epoch, from: 1, to: 0 });
  const lost: Uint8Array[] = [];
  while (lost.reduce((sum, packet) => sum + packet.length / 64, 0) < 4 * KEPT) lost.push(...more(book));
  const refusals: Uint8Array[] = [];
  const respond = (packet: Uint8Array): number => refusals.push(new Uint8Array(packet));
  for (const view of ['levels', 'orders'] as const)
    market.publisher.answer(feedAskSubject('market', 7, 0, view), wanted, respond, market.now);
  const [ofLevels = new Uint8Array(), ofOrders = new Uint8Array()] = refusals;
  book.take(ofLevels, market.now);
  expect([book.state, book.counts.refused]).toEqual(['live', 1]);
  market.restartPublisher();
  takeAll(book, packetsFor(book));
  takeAll(book, answers());
  book.take(ofOrders, market.now);
  expect([book.state, book.epoch]).toEqual(['live', 1_002]);
});

test('a book is live only as it was behind a whole command, however many packets that took', () => {
  const views = ['orders', 'levels', 'conflated'] as const;
  const flow = { limits: { ...new Flow('deep', 11).limits, ordersMax: 4_000 }, id: 0, left: 0 };
  const fed = new FedMarket(
    {
      limits: flow.limits,
      observe: () => undefined,
      next: (words, at) => {
        const id = ++flow.id;
        const order = { account: 1, symbol: 0, id, side: 'buy', price: 100 + id, quantity: 1 } as const;
        if (id === 1) encodeCommand(words, at, { op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME' });
        else if (flow.left-- > 0) encodeCommand(words, at, { op: 'new', ...order });
        else encodeCommand(words, at, { op: 'massCancel', account: 1 });
      },
    },
    KEPT,
    (subject, packet) => {
      const packets = published.get(subject) ?? [];
      published.set(subject, [...packets, packet]);
    },
  );
  market = fed;
  flow.left = 700;
  fed.apply(1);
  const books = views.map((view) => joined(view));
  // Many commands in a packet: each ends with one.
  fed.apply(700);
  // Many packets of a command.
  fed.apply(1);
  fed.now += 200;
  fed.publisher.step(fed.now);
  for (const [place, view] of views.entries()) {
    const book = books[place] as FeedBook;
    const packets = packetsFor(book);
    expect(packets.length).toBeGreaterThan(2);
    let lives = 0;
    for (const packet of packets) {
      book.take(packet, fed.now);
      if (book.state !== 'live') continue;
      lives++;
      isTrue(book, view);
    }
    expect([view, book.state, book.sequence, asked.length]).toEqual([view, 'live', fed.matcher.sequence(), 0]);
    expect([view, lives > 1]).toEqual([view, view !== 'conflated']);
  }
});

test('a kind of message that is not known is passed over, also as the last one of a command', () => {
  const book = joined('top');
  for (let tries = 0; tries < 20; tries++) {
    const [packet = new Uint8Array()] = more(book);
    packet[packet.length - 64] = 99;
    book.take(packet, market.now);
    expect([book.state, book.sequence]).toEqual(['live', market.matcher.sequence()]);
  }
});

test('the rest of a command that does not come is asked for', () => {
  const book = joined();
  const [whole = new Uint8Array()] = more(book);
  const cut = new Uint8Array(whole);
  // Its last message does not say that it is.
  cut[cut.length - 62] = (cut[cut.length - 62] ?? 0) & ~1;
  book.take(cut, market.now);
  expect([book.state, asked.length]).toEqual(['repairing', 0]);
  book.step(market.now + 1_000);
  expect(requests()).toMatchObject([{ kind: 'repair', from: book.number + 1 }]);
  takeAll(book, more(book));
  expect(book.state).toBe('live');
  isTrue(book);
});

test('a snapshot that comes late does not take the book back', () => {
  const book = joined();
  book.step(market.now);
  const slow = bookOf();
  slow.step(market.now);
  const late = answers();
  const lost: Uint8Array[] = [];
  market.now += 200;
  takeAll(book, more(book));
  while (lost.reduce((sum, packet) => sum + packet.length / 64, 0) < 2 * KEPT) lost.push(...more(book));
  takeAll(book, more(book));
  takeAll(book, answers());
  expect(book.state).toBe('joining');
  takeAll(book, late);
  expect(book.state).toBe('joining');
  takeAll(book, answers());
  expect(book.state).toBe('live');
  isTrue(book);
});

test('a publisher that is not heard is asked, and is silent when it does not answer', () => {
  const book = joined();
  book.step(market.now + 3_000);
  expect(asked.length).toBe(0);
  for (let waitedMs = 3_001; waitedMs < 6_200; waitedMs += 100) book.step(market.now + waitedMs);
  expect(requests().map((request) => request?.kind)).toEqual(['repair', 'repair', 'repair', 'repair']);
  expect(book.state).toBe('silent');
  market.now += 6_200;
  takeAll(book, answers());
  expect(book.state).toBe('live');
  // Heartbeats keep it from asking.
  for (let beats = 0; beats < 5; beats++) {
    takeAll(book, quiet(book));
    book.step(market.now);
  }
  expect([book.state, asked.length]).toEqual(['live', 0]);
});

test('a message that does not fit the book begins a new join', () => {
  const book = joined();
  const wrong = more(book).map((packet) => {
    const forged = new Uint8Array(packet);
    // An execution of an order that is not there.
    new DataView(forged.buffer).setUint8(64, 2);
    new DataView(forged.buffer).setUint32(64 + 40, 0xffff_fff0, true);
    return forged;
  });
  // The snapshot that it joined with is not given again after so long.
  market.now += 200;
  takeAll(book, wrong.slice(0, 1));
  expect([book.state, book.counts.misfits]).toEqual(['joining', 1]);
  takeAll(book, answers());
  expect(book.state).toBe('live');
  isTrue(book);
});

test('a snapshot of many parts is taken in any order, and not before all are there', () => {
  const wide = new FedMarket(new Flow('deep', 4), KEPT, () => undefined);
  wide.apply(12_000);
  const book = bookOf();
  book.step(0);
  const { subject, request } = asked[0] ?? { subject: '', request: new Uint8Array() };
  const packets: Uint8Array[] = [];
  wide.publisher.answer(subject, request, (packet) => packets.push(packet), 0);
  const split = packets.flatMap((packet) => splitParts(packet, 7));
  expect(split.length).toBeGreaterThan(3);
  for (const part of split.slice(1).reverse()) book.take(part, 1);
  expect(book.state).toBe('joining');
  book.take(split[0] ?? new Uint8Array(), 1);
  expect(book.state).toBe('live');
  expect(readBook(book, 'orders')).toBe(wide.history.at(0, wide.matcher.sequence(), 'orders'));
});

/** The same snapshot in parts of so many messages. */
function splitParts(packet: Uint8Array, count: number): Uint8Array[] {
  const messages = (packet.length - 64) / 64;
  const parts = Math.ceil(messages / count);
  return Array.from({ length: parts }, (_, part) => {
    const body = packet.subarray(64 + part * count * 64, 64 + Math.min(messages, (part + 1) * count) * 64);
    const bytes = new Uint8Array(64 + body.length);
    bytes.set(packet.subarray(0, 64));
    bytes.set(body, 64);
    const view = new DataView(bytes.buffer);
    view.setUint32(48, body.length / 64, true);
    view.setUint32(52, part, true);
    view.setUint32(56, parts, true);
    return bytes;
  });
}

test('what is not a packet of the view is refused and changes nothing', () => {
  const book = joined();
  const before = readBook(book, 'orders');
  const [good = new Uint8Array()] = more(book);
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = new Uint8Array(good);
    bytes[at] = value;
    return bytes;
  };
  const bad = [
    new Uint8Array(),
    good.subarray(0, 63),
    good.subarray(0, good.length - 1),
    changed(0, 0),
    changed(4, 2),
    changed(5, 9),
    changed(6, 2),
    changed(8, 1),
    changed(12, 1),
    changed(48, 255),
  ];
  takeAll(book, bad);
  expect([book.counts.refused, book.state, readBook(book, 'orders')]).toEqual([bad.length, 'live', before]);
  book.take(good, market.now);
  isTrue(book);
});

test('requests that nobody can answer are refused with why', () => {
  const refused = (subject: string, request: Uint8Array): number[] => {
    const codes: number[] = [];
    market.publisher.answer(
      subject,
      request,
      (packet) => {
        const header = readPacketHeader(new DataView(packet.buffer));
        expect(header?.kind).toBe(PacketKind.refusal);
        codes.push(header?.code ?? 0);
      },
      market.now,
    );
    return codes;
  };
  const book = joined();
  book.step(market.now + 10_000);
  const repair = asked[0]?.request ?? new Uint8Array();
  const old = new Uint8Array(repair);
  old[8] = (old[8] ?? 0) ^ 1;
  const long = new Uint8Array(33);
  expect(refused('market.7.feed.99.orders.ask', repair)).toEqual([1]);
  expect(refused('market.7.feed.0.orders.ask', old)).toEqual([2]);
  expect(refused('market.7.feed.0.orders.ask', new Uint8Array())).toEqual([4]);
  expect(refused('market.7.feed.0.orders.ask', long)).toEqual([4]);
  // Not a subject of market data: nobody is answered.
  expect(refused('market.7.feed.0.other.ask', repair)).toEqual([]);
  expect(refused('market.7.feed.-1.orders.ask', repair)).toEqual([]);
});

test('a reader of an instrument that is not there yet joins when it is', () => {
  const late = new FedMarket(new Flow('deep', 21), KEPT, () => undefined);
  const book = bookOf('levels');
  const answer = (): void => {
    for (const { subject, request } of asked.splice(0))
      late.publisher.answer(subject, request, (packet) => book.take(packet, late.now), late.now);
  };
  book.step(0);
  answer();
  expect([book.state, asked.length]).toEqual(['joining', 0]);
  late.apply(300);
  book.step(500);
  expect(asked.length).toBe(0);
  book.step(1_000);
  answer();
  expect(book.state).toBe('live');
  expect(readBook(book, 'levels')).toBe(late.history.at(0, 300, 'levels'));
});

test('every trade is told once in each view that has trades, whatever of it is displayed', () => {
  const trades = new Map<string, string[]>();
  const ruled = new FedMarket(new RuledFlow(8), KEPT, (subject, packet) => {
    const [, , , symbol = '', view = ''] = subject.split('.');
    const bytes = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
    for (let at = 64; at < packet.byteLength; at += 64) {
      const message = readMessage(bytes, at, 0);
      if (message?.kind !== 'trade' && (message?.kind !== 'execute' || !message.printed)) continue;
      const { price, quantity, sequence, trade, inAuction } = message;
      const told = trades.get(view) ?? [];
      trades.set(view, told);
      told.push([symbol, sequence, trade, price, quantity, inAuction].join('/'));
    }
  });
  const expected: string[] = [];
  for (let done = 0; done < 4_000; done++) {
    let trade = 0;
    for (const { type, symbol, sequence, price, quantity, flags } of ruled.apply(1))
      if (type === 'tradeTaker')
        expected.push([symbol, sequence, trade++, price, quantity, (flags & 64) !== 0].join('/'));
  }
  expect(expected.filter((line) => line.endsWith('true')).length).toBeGreaterThan(20);
  expect(expected.filter((line) => line.endsWith('false')).length).toBeGreaterThan(200);
  const bySymbol = (lines: readonly string[] | undefined): string[] => [...(lines ?? [])].sort();
  for (const view of ['orders', 'levels', 'top']) expect(bySymbol(trades.get(view))).toEqual(bySymbol(expected));
});
