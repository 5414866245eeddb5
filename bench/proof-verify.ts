import { readFileSync } from 'node:fs';
import { verifyProof } from '../proofs/matching/verify-proof.ts';
import { timed } from './benchmark.ts';

/** node proof-verify.ts PROOF COUNT: verifies one proof over and over; the milliseconds of each, when all is warm, as JSON. */
const WARM_UP = 20;

const [file = '', count] = process.argv.slice(2);
const bytes = readFileSync(file);
const verify = (): number => timed(() => verifyProof(bytes));
for (let round = 0; round < WARM_UP; round++) verify();
process.stdout.write(JSON.stringify(Array.from({ length: Number(count) }, verify)));
