import type { Lies } from '../forgery.ts';
import { lies as aboutPrices } from './matching-prices.ts';
import { lies as aboutReplaces } from './matching-replaces.ts';
import { lies as aboutReports } from './matching-reports.ts';
import { lies as aboutSizes } from './matching-sizes.ts';

/** Of prices, sizes, replaces, mass cancels and reports. */
export const lies: Lies = { ...aboutPrices, ...aboutSizes, ...aboutReplaces, ...aboutReports };
