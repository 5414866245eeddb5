import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { EnvironmentFault } from './exit-codes.ts';

/** Beside this file in the package; a checkout has it where the build puts it. */
const PLACES = ['./page/verifier.html', '../dist/ops/page/verifier.html'];

export interface WrittenPage {
  readonly file: string;
  readonly bytes: number;
}

/** Writes the page that verifies proofs, whole in one file. */
export async function writeVerifierPage(path: string): Promise<WrittenPage> {
  for (const place of PLACES) {
    const page = await readFile(new URL(place, import.meta.url)).catch(() => undefined);
    if (page === undefined) continue;
    const file = resolve(path);
    await writeFile(file, page);
    return { file, bytes: page.length };
  }
  throw new EnvironmentFault('the page is not built: in a checkout, run `npm run build` first');
}
