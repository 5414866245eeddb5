import type { Lies } from '../forgery.ts';
import { lies as aboutOrders } from './commands-orders.ts';
import { lies as aboutSequence } from './commands-sequence.ts';
import { lies as aboutSteps } from './commands-steps.ts';

/** Of commands and their rows, of steps, of what is admitted, and of the order at work. */
export const lies: Lies = { ...aboutSequence, ...aboutSteps, ...aboutOrders };
