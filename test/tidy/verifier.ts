import { isGlobal, nameIn, type Rule, sourcesOf, walk } from './tree.ts';

/** `veritape/verify`, and the page. */
const ENTRIES = ['verify.ts', 'ops/page/page.ts', 'ops/page/verifier-worker.ts'];
/** All that verifying needs: an auditor reads these files and no others. */
const NEEDED = [
  ...[
    'market-circuit',
    'market-columns',
    'command-rules',
    'matching-rules',
    'memory-rules',
    'report-rules',
    'self-trade-rules',
    'stop-cells',
    'stop-rules',
  ].map((name) => `proofs/matching/${name}.ts`),
  ...['rule-writer', 'proof-chain', 'statement', 'verify-proof'].map((name) => `proofs/matching/${name}.ts`),
  ...['field', 'extension', 'ntt', 'trace-domain', 'blake3', 'merkle', 'transcript', 'fri'].map(
    (name) => `proofs/stark/${name}.ts`,
  ),
  ...['expressions', 'constraints', 'log-up', 'parameters', 'soundness', 'proof-layout'].map(
    (name) => `proofs/stark/${name}.ts`,
  ),
  ...['proof-encoding', 'verifier'].map((name) => `proofs/stark/${name}.ts`),
];
/** What is there in Node and in no browser. */
const NODE_GLOBALS = ['process', 'Buffer', 'require', 'global', 'setImmediate'];

/** The verifier runs in any JavaScript there is: nothing of Node, no package, nothing that it does not need. */
export const verifierAlone: Rule = (tree) => {
  const sources = new Map(sourcesOf(tree).map((source) => [source.path, source]));
  const found: string[] = [];
  const paths = ENTRIES.filter((path) => sources.has(path));
  for (const path of paths) {
    const source = sources.get(path);
    if (source === undefined) continue;
    for (const { path: to, specifier, typeOnly, line } of source.references) {
      if (typeOnly || (to !== undefined && paths.includes(to))) continue;
      if (to !== undefined && NEEDED.includes(to)) paths.push(to);
      else found.push(`${path}:${line}: the verifier does not need ${to ?? specifier}`);
    }
    walk(source.module, (node) => {
      const name = nameIn(node) ?? '';
      if (isGlobal(node) && NODE_GLOBALS.includes(name)) {
        found.push(`${path}:${source.lineOf(node)}: ${name} in the verifier, which runs in browsers`);
      }
      return undefined;
    });
  }
  return found;
};
