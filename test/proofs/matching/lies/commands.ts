import type { Lies } from '../forgery.ts';
import { lies as aboutSequence } from './commands-sequence.ts';

/** Of commands and their rows, of steps, of what is admitted, and of the order at work. */
export const lies: Lies = { ...aboutSequence };
