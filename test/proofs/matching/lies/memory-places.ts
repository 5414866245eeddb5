import { keyOf, type OrderName } from '../../../../proofs/matching/linked-books.ts';
import { Forgery, type Lies } from '../forgery.ts';
import {
  ALICE,
  ask,
  BOB,
  blind,
  buyNow,
  buyOrKill,
  CAROL,
  cancel,
  family,
  lookAtHead,
  MAX,
  merge,
  putKeyAt,
  sellAndRest,
  TAKER,
  twin,
} from './memory-tools.ts';

const ELEMENTS = [0, 1, 2, 3];
const LIMBS = [0, 1, 2];
const FIRST = 0;
const NEAR: OrderName = { account: 30, idLow: 1, idHigh: 0 };
const FAR: OrderName = { account: 31, idLow: 1, idHigh: 0 };

/** Where trades look for makers, and where orders are put and taken out. */
export const lies: Lies = merge(
  family('the maker is the best order', ELEMENTS, passesOver),
  family('a peek begins with the best order', ELEMENTS, countsTheSecond),
  family('a peek goes on with the order behind', ELEMENTS, countsAllButOne),
  family('an order is taken from behind another', ELEMENTS, swapsTwoOrders),
  { 'the other order is of the same ladder': restsElsewhere, 'at head': restsBehindAWorsePrice },
  family('behind difference', LIMBS, (limb) => {
    const forgery = jumpsTheQueue();
    // The price behind is not above: the limb is said to be zero, and nothing is owed.
    for (let i = 0; i < limb; i++) forgery.set(FIRST, { [`behind gap ${i}`]: 65_535, [`behind borrow ${i}`]: 1 });
    return forgery;
  }),
);

/** The first order at the best price is passed over for the second. */
function passesOver(element: number): Forgery {
  const second = ask(twin(element), 100, 5);
  return blind([buyNow(TAKER, 100, 1)], [second], [ask(ALICE, 100, 5), second]).seal({ reload: true });
}

/** A fill or kill is killed: the large order in front is not counted. */
function countsTheSecond(element: number): Forgery {
  const second = ask(twin(element), 100, 1);
  return blind([buyOrKill(TAKER, 100, 10)], [second], [ask(ALICE, 100, 10), second]).seal({ reload: true });
}

/** A fill or kill is killed: the large order in the middle is not counted. */
function countsAllButOne(element: number): Forgery {
  const [first, last] = [ask(CAROL, 100, 1), ask(twin(element), 100, 1)];
  const orders = [first, ask(ALICE, 100, 10), last];
  return blind([buyOrKill(TAKER, 100, 12)], [first, last], orders).seal({ reload: true });
}

/**
 * Three cancels, each of which takes its order from behind another one's neighbour, so that all links are made again: the
 * two orders that are left change places.
 */
function swapsTwoOrders(element: number): Forgery {
  const [first, second, third] = [0, 1, 2].map((other) => twin(element, other)) as [OrderName, OrderName, OrderName];
  const orders = [first, NEAR, second, FAR, third].map((name) => ask(name, 100, 5));
  const forgery = new Forgery([cancel(first), cancel(second), cancel(third)], orders);
  putKeyAt(forgery, 0, 'other', keyOf(FAR));
  lookAtHead(forgery, 1, 1);
  putKeyAt(forgery, 2, 'other', keyOf(NEAR));
  return forgery.seal({ reload: true });
}

/** The order rests in the list of another instrument. */
function restsElsewhere(): Forgery {
  return lookAtHead(new Forgery([sellAndRest(ALICE, 100, 5)]), FIRST, 3).seal({ reload: true });
}

/** The order is put behind one whose price is worse. */
function restsBehindAWorsePrice(): Forgery {
  const forgery = new Forgery([sellAndRest(ALICE, 100, 5)], [ask(BOB, 101, 5)]);
  putKeyAt(forgery, FIRST, 'other', keyOf(BOB));
  return forgery.setAmount(FIRST, 'behind gap', MAX - 101).seal({ reload: true });
}

/** The order is put before one of the same price. */
function jumpsTheQueue(): Forgery {
  const forgery = new Forgery([sellAndRest(ALICE, 100, 5)], [ask(BOB, 100, 5)]);
  lookAtHead(forgery, FIRST, 1).set(FIRST, { 'at head': 1 });
  return forgery.seal({ reload: true }).setAmount(FIRST, 'behind gap', 0);
}
