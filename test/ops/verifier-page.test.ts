import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser, Page } from 'puppeteer-core';
import { STATEMENT_BYTES } from '../../proofs/matching/statement.ts';
import { findChromium, launchChromium } from './chromium.ts';
import { writeJournal } from './journal-fixture.ts';
import { removeTemporaryFolders, temporaryFolder, veritape } from './run-veritape.ts';

// The page as an auditor has it, from the disk, in a real browser without a window.

const PROVE_MS_MAX = 300_000;
const VERIFY_MS_MAX = 60_000;
/** Some more and the page is no longer something to send by mail. */
const PAGE_BYTES_MAX = 150_000;

const chromium = findChromium('the tests of the verifier page in a browser');
const inBrowser = chromium === undefined ? test.skip : test;

const builder: { buildPage(): Promise<string> } = await import(new URL('../../bin/page.js', import.meta.url).href);
const folder = temporaryFolder();
const file = join(folder, 'verifier.html');
/** Of three spans in a row. */
const proofs: string[] = [];
let browser: Browser | undefined;
let page: Page;
let requests: string[] = [];

beforeAll(async () => {
  writeFileSync(file, await builder.buildPage());
  if (chromium === undefined) return;
  await writeJournal(folder, { blocks: [100, 100, 100] });
  const { code, stdout } = veritape(['prove', folder, '--commands', '100', '--profile', 'fast', '--json']);
  expect(code).toBe(0);
  proofs.push(...JSON.parse(stdout).spans.map((span: { file: string }) => span.file));
  expect(proofs).toHaveLength(3);
  browser = await launchChromium(chromium);
}, PROVE_MS_MAX);

afterAll(async () => {
  await browser?.close();
  removeTemporaryFolders();
});

beforeEach(async () => {
  if (browser === undefined) return;
  page = await browser.newPage();
  requests = [];
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(file).href);
});

afterEach(async () => {
  if (browser !== undefined) await page.close();
});

test('the page is one small file that loads nothing', () => {
  const text = readFileSync(file, 'utf8');
  process.stderr.write(`verifier page: ${text.length} bytes, ${gzipSync(text).length} compressed\n`);
  expect(Buffer.byteLength(text)).toBeLessThan(PAGE_BYTES_MAX);
  expect(text).not.toMatch(/\b(src|href)=|@import|https?:/);
  expect(text).toContain("default-src 'none'");
});

inBrowser(
  'a proof that is dropped on the page is shown as valid, with what it says',
  async () => {
    await drop(proofs[0] as string);
    expect(await verdict()).toBe('Valid: 100 commands, sequences 1 to 100');
    const shown = await text('article');
    const [proof] = JSON.parse(veritape(['verify', proofs[0] as string, '--json']).stdout).proofs;
    const { genesisHash, chainBefore, chainAfter, tape, booksBefore, booksAfter, soundnessBits } = proof;
    for (const part of [genesisHash, chainBefore, chainAfter, tape, booksBefore, booksAfter])
      expect(shown).toContain(part);
    expect(shown).toContain(`${soundnessBits.toFixed(1)} bits proven`);
    expect(shown).toMatch(/Verified in\s+\d+ ms/);
    expect(shown).toContain('100 commands with sequences 1 to 100');
    expect(await text('main')).toContain('who came first, and that nobody was left out');
    expect(requests.filter((url) => !/^(file|blob):/.test(url))).toEqual([]);
  },
  VERIFY_MS_MAX,
);

inBrowser(
  'a proof with one bit changed is shown as not valid, with the reason',
  async () => {
    const reasons: [place: number, why: string][] = [
      [0, 'Why: not a proof of matching.'],
      [STATEMENT_BYTES - 1, 'Why: '],
      [readFileSync(proofs[0] as string).length - 1, 'Why: rows that were not committed to.'],
    ];
    for (const [place, why] of reasons) {
      const changed = readFileSync(proofs[0] as string);
      changed[place] = (changed[place] as number) ^ 1;
      const copy = join(folder, `changed-${place}.vtp`);
      writeFileSync(copy, changed);
      await choose(copy);
      expect(await verdict()).toBe('Not valid: 1 of 1 files');
      expect(await text('article')).toContain(why);
      await page.click('#clear');
    }
    await choose(file);
    expect(await verdict()).toBe('Not valid: 1 of 1 files');
    expect(await text('article')).toContain('Why: not a proof of matching.');
  },
  VERIFY_MS_MAX,
);

inBrowser(
  'proofs that chain are told from proofs that do not',
  async () => {
    const [first, second, third] = proofs as [string, string, string];
    await choose(second, first);
    expect(await verdict()).toBe('Valid, and a chain of 2 proofs: 200 commands, sequences 1 to 200');
    await page.click('#clear');
    expect(await text('#proofs')).toBe('');

    await choose(first, third);
    expect(await verdict()).toBe('Each of the 2 proofs is valid, but they do not chain');
    expect(await text('#breaks')).toBe('between sequences 100 and 201: 100 commands are not proven');
    await choose(second);
    expect(await verdict()).toBe('Valid, and a chain of 3 proofs: 300 commands, sequences 1 to 300');
  },
  VERIFY_MS_MAX,
);

inBrowser(
  'the page can be used with the keyboard, on a phone, in the dark, and while it verifies',
  async () => {
    await page.setViewport({ width: 360, height: 640 });
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.labels[0].innerText')).toContain('Proof files');
    const chooser = page.waitForFileChooser();
    // Asking to be told of choosers must have arrived before the key does.
    await page.evaluate('0');
    await page.keyboard.press('Enter');
    await (await chooser).accept(proofs);
    expect(page.workers()).toHaveLength(1);
    expect(await verdict()).toContain('a chain of 3 proofs');
    expect(await page.evaluate("document.querySelector('[role=status]').textContent")).toBe(await verdict());
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    const background = (): Promise<unknown> => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const light = await background();
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
    expect(await background()).not.toBe(light);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await text('#proofs')).toBe('');
  },
  VERIFY_MS_MAX,
);

/** As a hand does that drags files from a folder. */
async function drop(...files: string[]): Promise<void> {
  const session = await page.createCDPSession();
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await session.send('Input.dispatchDragEvent', { type, x: 100, y: 100, data });
  }
}

async function choose(...files: string[]): Promise<void> {
  const input = await page.$('input');
  await input?.uploadFile(...files);
}

/** Of all files, once all are verified. */
async function verdict(): Promise<string> {
  await page.waitForSelector('#together:not([hidden])');
  const told = await text('#verdict');
  const looks = await page.evaluate("document.querySelector('#verdict').className");
  expect(looks).toBe(/^Valid/.test(told) ? 'good' : 'bad');
  return told;
}

async function text(selector: string): Promise<string> {
  return String(await page.evaluate(`document.querySelector(${JSON.stringify(selector)}).innerText`));
}
