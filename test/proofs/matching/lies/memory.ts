import type { Lies } from '../forgery.ts';
import { lies as aboutTheBus } from './memory-bus.ts';
import { lies as aboutTheDirectory } from './memory-directory.ts';
import { lies as aboutPlaces } from './memory-places.ts';
import { lies as aboutTables } from './memory-tables.ts';
import { merge } from './memory-tools.ts';

/** About the books' memory: its cells, its beginning and end, and where orders are looked for. */
export const lies: Lies = merge(aboutPlaces, aboutTheBus, aboutTables, aboutTheDirectory);
