import type { Lies } from '../forgery.ts';

export const lies: Lies = {};
