import type { Rules } from '../../proofs/matching/market-columns.ts';
import { checkChain } from '../../proofs/matching/proof-chain.ts';
import type { VerifiedProof } from '../../proofs/matching/verify-proof.ts';
import type { Answer, Question } from './verifier-worker.ts';

/** The verifier for a thread of its own, as text: the page is one file. Set by the build. */
declare const WORKER_SOURCE: string;

/** Far above any proof: what is larger is some other file, and is not read. */
const FILE_MIB_MAX = 16;

interface Checked {
  readonly name: string;
  /** Undefined while it is being verified. */
  answer: Omit<Answer, 'place'> | undefined;
}

const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
};
const input = byId('files') as HTMLInputElement;
const drop = byId('drop');
const status = byId('status');

let checked: Checked[] = [];
let worker = startWorker();

function startWorker(): Worker {
  const url = URL.createObjectURL(new Blob([WORKER_SOURCE], { type: 'text/javascript' }));
  const started = new Worker(url);
  started.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
    const one = checked[data.place];
    if (one !== undefined) one.answer = data;
    show();
  });
  started.addEventListener('error', (event) => {
    event.preventDefault();
    for (const one of checked) one.answer ??= failed(`the verifier itself failed: ${event.message}`);
    show();
  });
  return started;
}

function failed(failure: string): Omit<Answer, 'place'> {
  return { proof: undefined, failure, elapsedMs: 0 };
}

async function take(files: readonly File[]): Promise<void> {
  for (const file of files) {
    const place = checked.push({ name: file.name, answer: undefined }) - 1;
    const one = checked[place] as Checked;
    show();
    if (file.size > FILE_MIB_MAX * 2 ** 20) {
      one.answer = failed(`it has ${grouped(file.size)} bytes; a proof has at most ${FILE_MIB_MAX} MiB`);
      continue;
    }
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      if (checked[place] === one) worker.postMessage({ place, bytes } satisfies Question, [bytes.buffer]);
    } catch (error) {
      one.answer = failed(`it cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  show();
}

function clear(): void {
  // What is under way would answer for files that are no longer there.
  worker.terminate();
  worker = startWorker();
  checked = [];
  input.value = '';
  show();
  input.focus();
}

// --- What is shown -------------------------------------------------------------------------------------------------------

function show(): void {
  const waiting = checked.filter(({ answer }) => answer === undefined).length;
  const together = byId('together');
  together.hidden = checked.length === 0 || waiting > 0;
  status.textContent = waiting > 0 ? `Verifying: ${checked.length - waiting} of ${checked.length} files are done` : '';
  byId('proofs').replaceChildren(...checked.map(articleOf));
  if (!together.hidden) showTogether();
}

/** Of all files: whether each is valid, and whether they are one chain. */
function showTogether(): void {
  const proofs = checked.flatMap(({ answer }) => (answer?.proof === undefined ? [] : [answer.proof]));
  const { breaks, firstSequence, lastSequence, commands } = checkChain(proofs);
  const invalid = checked.length - proofs.length;
  const range = `${grouped(commands)} commands, sequences ${grouped(firstSequence)} to ${grouped(lastSequence)}`;
  const verdict = byId('verdict');
  const good = invalid === 0 && breaks.length === 0;
  verdict.className = good ? 'good' : 'bad';
  if (invalid > 0) verdict.textContent = `Not valid: ${invalid} of ${checked.length} files`;
  else if (breaks.length > 0)
    verdict.textContent = `Each of the ${proofs.length} proofs is valid, but they do not chain`;
  else if (proofs.length === 1) verdict.textContent = `Valid: ${range}`;
  else verdict.textContent = `Valid, and a chain of ${proofs.length} proofs: ${range}`;
  byId('breaks').replaceChildren(...breaks.map((text) => element('li', text)));
  status.textContent = verdict.textContent;
}

function articleOf({ name, answer }: Checked): HTMLElement {
  const article = element('article');
  if (answer === undefined) article.append(element('h2', `${name}: being verified`));
  else if (answer.proof === undefined) {
    article.className = 'invalid';
    article.append(element('h2', `Not valid: ${name}`), element('p', `Why: ${answer.failure}.`));
  } else {
    article.className = 'valid';
    article.append(
      element('h2', `Valid: ${name}`),
      ...sentencesOf(answer.proof).map((sentence) => element('p', sentence)),
      listOf(answer.proof, answer.elapsedMs),
    );
  }
  return article;
}

const PREVENTED = 'Orders of one account do not trade with each other where they or their instrument say so';
/** What the circuits differ in. */
const RULES_TOLD: Readonly<Record<Rules, string>> = {
  plain: 'No order of the tape has a self-trade prevention, and none waits for a stop price.',
  ruled: `${PREVENTED}. No order of the tape waits for a stop price.`,
  stops: `${PREVENTED}. Stops wait for a trade at their price, and then trade as other orders do.`,
};

function sentencesOf({ statement, commands }: VerifiedProof): string[] {
  const { firstSequence, lastSequence, hidden, rules, instruments } = statement;
  return [
    `It is proven that the ${grouped(commands)} commands with sequences ${grouped(firstSequence)} to ` +
      `${grouped(lastSequence)} of a tape, applied in their order to the books before (${grouped(instruments)} ` +
      'instruments at most), give exactly the reports of the tape and the books after, by the rules of the market: best ' +
      'price first, then first come, first served; at the price of the order that rested, for the smaller of the two ' +
      'quantities; time in force and post-only as ordered; cancels, reduces and replaces of the orders that they name. ' +
      RULES_TOLD[rules],
    'Tape and books are not in the file, only the commitments to them below. ' +
      (hidden
        ? 'The proof is with zero knowledge: it tells nothing of orders and trades but what is stated here, and the ' +
          'commitments depend on chance, so that nobody can recompute them.'
        : 'Whoever has the journal can recompute these.'),
  ];
}

function listOf(
  { statement, commitments, soundness, heightLog, bytes }: VerifiedProof,
  elapsedMs: number,
): HTMLElement {
  const list = element('dl');
  const add = (term: string, ...told: (Node | string)[]): void => {
    const description = element('dd');
    description.append(...told);
    list.append(element('dt', term), description);
  };
  const hash = (words: Uint8Array): HTMLElement => element('code', [...words].map(hexByte).join(''));
  const parts = Object.entries(soundness).filter(([name]) => name !== 'm' && name !== 'least');
  add('Sequences', `${grouped(statement.firstSequence)} to ${grouped(statement.lastSequence)}`);
  add('Commands', grouped(statement.lastSequence - statement.firstSequence + 1));
  add('Blocks', `${grouped(statement.firstBlock)} to ${grouped(statement.lastBlock)}`);
  add('Venue', `shard ${statement.shard}, genesis `, hash(statement.genesisHash));
  add('Commitment to the tape', hash(commitments.tape));
  add('Books before', hash(commitments.before));
  add('Books after', hash(commitments.after));
  add('Chain hash before', hash(statement.chainBefore));
  add('Chain hash after', hash(statement.chainAfter));
  add(
    'Soundness',
    `${soundness.least.toFixed(1)} bits proven: of attempts to forge a proof at most one in 2^${Math.floor(soundness.least)} succeeds`,
    ` (${parts.map(([name, bits]) => `${name} ${bits.toFixed(1)}`).join(', ')})`,
  );
  add(
    'Made with',
    `profile ${statement.profile}${statement.hidden ? ', zero knowledge' : ''}, 2^${heightLog} rows, ${grouped(bytes)} bytes`,
  );
  add('Verified in', `${elapsedMs.toFixed(0)} ms`);
  return list;
}

function element(tag: string, text = ''): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/** Digits in groups of three. */
function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

// --- What the user does --------------------------------------------------------------------------------------------------

input.addEventListener('change', () => {
  void take([...(input.files ?? [])]);
  // Else choosing the same file again would not be noticed.
  input.value = '';
});
byId('clear').addEventListener('click', clear);
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  drop.classList.add('over');
});
document.addEventListener('dragleave', () => drop.classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  void take([...(event.dataTransfer?.files ?? [])]);
});
