/** Verifies proofs of matching, in any JavaScript there is: no other package, nothing of Node. */
export { checkChain, type ProofChain } from './proofs/matching/proof-chain.ts';
export type { SpanStatement } from './proofs/matching/statement.ts';
export { type VerifiedProof, verifyProof } from './proofs/matching/verify-proof.ts';
export { VerificationError } from './proofs/stark/proof-encoding.ts';
export type { SoundnessBits } from './proofs/stark/soundness.ts';
