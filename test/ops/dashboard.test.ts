import { once } from 'node:events';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'puppeteer-core';
import { COMMAND_WORDS, encodeCommand } from '../../journal/commands.ts';
import { endAllProcesses, VeritapeProcess } from '../../ops/drill/veritape-process.ts';
import type { MarketSight } from '../../ops/feed/market-sight.ts';
import { natsConnectionOptions, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { VenueClient } from '../../ops/sessions/venue-client.ts';
import { removeTemporaryFolders, temporaryFolder } from '../journal/temporary-journal.ts';
import { until as untilFound } from '../until.ts';
import { findChromium, launchChromium } from './chromium.ts';
import { reportOf, writeReport } from './drill-reports.ts';

// The page as an operator has it: of a real server under real load, in a real browser without a window.

const START_MS_MAX = 60_000;
const TEST_MS_MAX = 60_000;
/** It is there at once also over a slow line. */
const PAGE_BYTES_MAX = 120_000;
/** A twentieth of what Core Web Vitals call good. */
const LAYOUT_SHIFT_MAX = 0.005;
/** What is told of a server that is well, on a machine whose disk may be all but full. */
const WELL = /^(No alerts|! the disk of the journal has .* left)$/;
const TOKEN = 'an-operator-knows-this-and-nobody-else';
const BATCH = 8;
/** Of a batch. */
const RESTING = 6;
/** Every one that a hand can do something with, in the order of the page. */
const CONTROLS = [
  'pipeline-picture',
  'stage',
  'since-start',
  'instrument',
  'events',
  'drill-run',
  'drill-reports',
  'drill',
  'drill-round',
  'drill-picture',
  'window',
  'hold',
  'keys',
] as const;

const chromium = findChromium('the tests of the dashboard in a browser');
const inBrowser = chromium === undefined ? test.skip : test;

let nats: OwnNatsServer;
let directory: string;
let drills: string;
let venue: VeritapeProcess;
let url: string;
let browser: Browser | undefined;
let page: Page;
let load: Promise<void> = Promise.resolve();
const loading = new AbortController();
/** What the browser complained about, and where it went. */
const complaints: string[] = [];
const requests: string[] = [];

beforeAll(async () => {
  nats = await startNatsServer();
  directory = temporaryFolder();
  drills = temporaryFolder();
  writeReport(join(drills, 'earlier'), 5, [reportOf('kill-nats', 1)]);
  const wrong = 'lost: <img src=x onerror="window.ran = true">';
  writeReport(join(drills, 'later'), 6, [reportOf('kill-primary', 3), reportOf('slow-disk', 1, wrong)]);
  mkdirSync(join(drills, 'half'));
  writeFileSync(join(drills, 'half', 'report.json'), '{');
  venue = await serve('0');
  url = String((await venue.logged('telemetry'))['dashboard']);
  // As if somebody had proved the first commands; nobody here says that it is so.
  mkdirSync(join(directory, 'proofs'));
  writeFileSync(join(directory, 'proofs', `proof-${'1'.padStart(16, '0')}-${'3'.padStart(16, '0')}.vtp`), '');
  load = trade(loading.signal);
  if (chromium === undefined) return;
  browser = await launchChromium(chromium);
  page = await browser.newPage();
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  await page.setViewport({ width: 1440, height: 2000 });
  await page.evaluateOnNewDocument(watchAlerts);
  // As a browser does when it has asked for the password.
  await page.goto(url.replace('//', `//operator:${TOKEN}@`));
}, START_MS_MAX);

afterAll(async () => {
  loading.abort();
  await load;
  await browser?.close();
  await endAllProcesses();
  await nats.stop();
  removeTemporaryFolders();
});

test('the page is one small file, with a policy by which it can ask nobody else', async () => {
  expect((await fetch(url)).status).toBe(401);
  const response = await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } });
  const text = await response.text();
  process.stderr.write(`dashboard: ${Buffer.byteLength(text)} bytes, ${gzipSync(text).length} compressed\n`);
  expect(Buffer.byteLength(text)).toBeLessThan(PAGE_BYTES_MAX);
  expect(text).not.toMatch(/<script[^>]+src=|<link[^>]+href="(?!data:)|@import|url\(/);
  expect(text).toContain('Permission is hereby granted');
  const policy = response.headers.get('content-security-policy') ?? '';
  expect(policy).toMatch(
    /^default-src 'none'; script-src 'sha256-[^ ]+'; style-src 'sha256-[^ ]+'; connect-src 'self'/,
  );
  expect(policy).toContain("frame-ancestors 'none'");
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
});

inBrowser(
  'figures of a venue under load appear and move, and nothing else does',
  async () => {
    await until('ready', '#state');
    await until(/^[1-9][\d,.]*\/s$/, '[data-show=commands]');
    await until(/^[1-9][\d,.]*\/s$/, '[data-show=trades]');
    await until(/^[\d.]+ [mµ]?s$/, '[data-show=answer99]');
    await until(WELL, '#alert-list');
    await until(/^(gateway to answer\t([\d.]+ [mµ]?s\t){5}[1-9])/, '#stage-rows tr');
    await until(/[1-9][\d,]* counted, at most p50/, '[data-show=histogram]');
    await until(/0, leads\s+[1-9][\d,.]*\/s\s+\d+ cmd/, '#replica-rows');
    await until(/^Proofs cover 3 commands of [1-9]/, '[data-show=proofs]');
    await until(/book at sequence [1-9]/, '#market-state');
    await until(/^[\d,]+\t[\d,]+\t100\t101\t[\d,]+\t[\d,]+$/, '#book-rows tr');
    await until(/^[\d,]+\t(buys|sells)\t1\t10[01]$/, '#tape-rows tr');
    expect(await text('#instrument')).toBe('ACME');
    await until(/^1 held, 1 BROKEN; seed 6$/, '#drills-state');
    const sequence = await text('[data-show=end]');
    await until((now) => now !== sequence, '[data-show=end]');
    expect(await inPage('document.querySelectorAll(".u-wrap canvas").length')).toBe(2);
    expect(await inPage('document.querySelectorAll("#histogram-picture .used").length')).toBeGreaterThan(40);
    // Nobody sees a shift of less, as of a number that got a digit more. Alerts make themselves room.
    const shifts = (await inPage(layoutShifts)) as string[];
    expect(shifts.filter((one) => Number.parseFloat(one) > LAYOUT_SHIFT_MAX)).toEqual([]);
    expect(complaints).toEqual([]);
    expect(requests.filter((one) => one !== 'data:,' && new URL(one).origin !== new URL(url).origin)).toEqual([]);
  },
  TEST_MS_MAX,
);

inBrowser(
  'it is legible by night and by day, and on a phone',
  async () => {
    const folder = temporaryFolder();
    const seen = new Set<unknown>();
    for (const value of ['dark', 'light']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
      const file = join(folder, `${value}.png`) as `${string}.png`;
      await page.screenshot({ path: file, fullPage: true });
      expect(statSync(file).size).toBeGreaterThan(50_000);
      seen.add(await inPage('getComputedStyle(document.body).backgroundColor'));
      for (const [selector, behind] of [
        ['#figures dd', '#figures'],
        ['#figures dt', '#figures'],
        ['#state', 'body'],
        ['#book-rows td:nth-child(3)', '#market'],
        ['#book-rows td:nth-child(4)', '#market'],
        ['#drill-rows .bad', '#drills'],
        ['#drill-rows .good', '#drills'],
        ['#drill-events .recovery', '#drills'],
      ])
        expect(Number(await inPage(contrast(String(selector), String(behind))))).toBeGreaterThan(4.5);
    }
    expect(seen.size).toBe(2);
    for (const width of [1120, 1280, 1440, 1920]) {
      await page.setViewport({ width, height: 2000 });
      await until(/[1-9]/, '#stage-rows tr');
      expect([width, await inPage(cramped)]).toEqual([width, '']);
    }
    await page.setViewport({ width: 360, height: 640 });
    // Charts take the new width a moment later.
    for (let looks = 0; looks < 40 && (await inPage(widerThanThePage)) !== ''; looks++) await delay(50);
    expect(await inPage(widerThanThePage)).toBe('');
    await page.setViewport({ width: 1440, height: 2000 });
  },
  TEST_MS_MAX,
);

inBrowser(
  'a keyboard reaches every control, and keys of its own do what the page says',
  async () => {
    const reached: string[] = [];
    await inPage('document.activeElement.blur()');
    for (let presses = 0; presses < CONTROLS.length; presses++) {
      await page.keyboard.press('Tab');
      const id = '(e => e.id || e.name || e.parentElement.id)(document.activeElement)';
      reached.push(String(await inPage(id)));
      expect(await inPage('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    }
    expect(reached).toEqual([...CONTROLS]);
    await page.keyboard.press('2');
    await until('gateway to sequence', '#latency-title b');
    expect(await inPage('document.querySelectorAll("#stage-rows input")[1].checked')).toBe(true);
    await page.keyboard.press('m');
    expect(await inPage('document.querySelector("#since-start").checked')).toBe(true);
    await page.keyboard.press('t');
    expect(await inPage('document.querySelector("#window").value')).toBe('3600');
    await page.keyboard.press('p');
    await until(/^held as it was/, '#freshness');
    const held = await text('[data-show=end]');
    await delay(1_500);
    expect(await text('[data-show=end]')).toBe(held);
    await page.keyboard.press('p');
    await until((now) => now !== held, '[data-show=end]');
    await page.keyboard.press('?');
    expect(await inPage('document.querySelector("dialog").open')).toBe(true);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await page.keyboard.press('d');
    expect(await inPage('document.activeElement.value')).toBe('slow-disk');
    await inPage('document.querySelector("#keys-on").click()');
    await page.keyboard.press('3');
    expect(await text('#latency-title b')).toBe('gateway to sequence');
    await page.keyboard.press('i');
    await inPage('document.querySelector("#keys-on").click()');
    await page.keyboard.press('i');
    expect(await inPage('document.activeElement.id')).toBe('instrument');
  },
  TEST_MS_MAX,
);

inBrowser(
  'drills: what came of each, the timeline of each round, and what can not be shown',
  async () => {
    await until(/^half\/report\.json: .*must be a JSON file$/, '#drill-troubles');
    expect(await text('#drill-rows')).toMatch(
      /^kill-primary\theld\t60 ms\t60 ms\t\d+ ms\t3\t0\n\s*slow-disk\tBROKEN\t60 ms\t60 ms\t\d+ ms\t1\t0$/,
    );
    expect(await text('#drill-what .bad')).toBe('But lost: <img src=x onerror="window.ran = true">');
    expect(await inPage('window.ran')).toBeUndefined();
    await page.focus('#drill-rows input:checked');
    await page.keyboard.press('ArrowUp');
    await until(/^Done: the primary is killed/, '#drill-what');
    expect(await text('#drill-events')).toMatch(
      /^0 ms\s+a is killed\s+\+30 ms\s+a is ended\s+\+60 ms\s+first acknowledgement of b\s+\+400 ms\s+all processes/,
    );
    const lanes = 'document.querySelectorAll("#drill-picture path.fault").length';
    expect(await inPage(lanes)).toBe(3);
    expect(await inPage('document.querySelectorAll("#drill-picture .when").length')).toBe(4);
    expect(await inPage('document.querySelector("#drill-picture .chosen + text").textContent')).toMatch(/^round \d$/);
    await page.select('#drill-round', '3 of 3');
    expect(await inPage('document.querySelector("#drill-picture .chosen + text").textContent')).toBe('round 3');
    await page.select('#drill-run', 'earlier');
    await until('1 held; seed 5', '#drills-state');
    expect(await inPage(lanes)).toBe(0);
    await page.select('#drill-run', 'later');
    await until('1 held, 1 BROKEN; seed 6', '#drills-state');
    expect(complaints).toEqual([]);
  },
  TEST_MS_MAX,
);

inBrowser(
  'what somebody puts into the page does not run, and can ask nobody',
  async () => {
    let asked = 0;
    const elsewhere = createServer((_, response) => {
      asked++;
      response.setHeader('access-control-allow-origin', '*');
      response.end();
    }).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    const { port } = elsewhere.address() as AddressInfo;
    await inPage(`{
      const script = document.createElement('script');
      try { script.textContent = 'window.ran = true'; } catch { script.append('window.ran = true'); }
      document.head.append(script);
      try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.ran = true">'); } catch {}
    }`);
    expect(await inPage(`fetch('http://127.0.0.1:${port}/').then(() => 'came', () => 'refused')`)).toBe('refused');
    expect(await inPage('window.ran')).toBeUndefined();
    expect(asked).toBe(0);
    expect(complaints.splice(0).length).toBeGreaterThan(0);
    elsewhere.close();
  },
  TEST_MS_MAX,
);

inBrowser(
  'when the server is gone it says so and since when, and when one is there again it goes on',
  async () => {
    expect((await venue.end('SIGTERM')).code).toBe(0);
    await until('NO CONNECTION', '#state');
    expect(await text('#alert-list')).toMatch(/NO CONNECTION\. All below is as of \d\d:\d\d:\d\d/);
    await until(/^as of \d\d:\d\d:\d\d, \d+ s ago$/, '#freshness');
    expect(await page.title()).toMatch(/^NO CONNECTION/);
    venue = await serve(new URL(url).port, []);
    await until('ready', '#state');
    await until(WELL, '#alert-list');
    const told = await text('#event-list');
    expect(told).toMatch(/another process answers: it was started again/);
    expect(told).toMatch(/connected again, after \d+ s/);
    // This one has no book, and says why, and what to do.
    await until('no book', '#market-state');
    await until(
      /^This server runs without --market-data, so it has no book: start it with that option, or /,
      '#no-book',
    );
    expect(await text('#book-rows')).toBe('');
    expect(complaints.filter((one) => !one.includes('ERR_CONNECTION'))).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  'a standby with market data has the books and the trades of the venue that serves',
  async () => {
    const standby = VeritapeProcess.serve(directory, nats.url, '--standby', '--market-data', '--telemetry', '0');
    const { dashboard } = await standby.logged('telemetry');
    await standby.logged('market data follows the journal');
    let market: MarketSight | undefined;
    const look = async (): Promise<MarketSight | false> => {
      market = (await (await fetch(`${String(dashboard)}market`)).json()) as MarketSight;
      return market.trades.length >= 24 && market;
    };
    const { trades } = await untilFound('there are trades', look, { seen: () => market });
    expect(market).toMatchObject({ symbol: 0, book: { bids: [{ price: 100 }], asks: [{ price: 101 }] } });
    const sequences = trades.map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.toSorted((a, b) => b - a));
    expect((await standby.end('SIGTERM')).code).toBe(0);
  },
  TEST_MS_MAX,
);

async function serve(telemetry: string, more = ['--market-data']): Promise<VeritapeProcess> {
  const file = join(temporaryFolder(), 'token');
  writeFileSync(file, TOKEN, { mode: 0o600 });
  const shown = ['--telemetry', telemetry, '--telemetry-token', file, '--drills', drills];
  const started = VeritapeProcess.serve(directory, nats.url, ...shown, ...more);
  await started.logged('ready');
  return started;
}

/** Orders that rest and orders that trade, a batch every few milliseconds. */
async function trade(signal: AbortSignal): Promise<void> {
  const client = await VenueClient.open({ connection: natsConnectionOptions(nats.url), shard: 0, account: 7, key: 1 });
  const words = new Uint32Array(BATCH * COMMAND_WORDS);
  for (let id = 1; !signal.aborted; ) {
    for (let index = 0; index < BATCH; index++, id++) {
      const side = id % 2 === 0 ? 'buy' : 'sell';
      // Some rest for ever; the others trade with them.
      const price = 100 + (index < RESTING ? (side === 'buy' ? 0 : 1) : side === 'buy' ? 1 : 0);
      const tif = index < RESTING ? 'gtc' : 'ioc';
      encodeCommand(words, index * COMMAND_WORDS, {
        op: 'new',
        account: 7,
        symbol: 0,
        id,
        side,
        price,
        quantity: 1,
        tif,
      });
    }
    await client.send(words, BATCH);
    await delay(15);
  }
  await client.close();
}

function inPage(code: string): Promise<unknown> {
  return page.evaluate(code);
}

async function text(selector: string): Promise<string> {
  return String(await inPage(`document.querySelector(${JSON.stringify(selector)}).innerText`)).trim();
}

/** Waits until an element says this. */
async function until(wanted: string | RegExp | ((now: string) => boolean), selector: string): Promise<void> {
  const is = (now: string): boolean =>
    typeof wanted === 'string' ? now === wanted : wanted instanceof RegExp ? wanted.test(now) : wanted(now);
  let now = '';
  for (const end = performance.now() + 20_000; performance.now() < end; await delay(50)) {
    now = await text(selector);
    if (is(now)) return;
  }
  throw new Error(`${selector} says ${JSON.stringify(now)}, not ${wanted}`);
}

/** The contrast by WCAG of an element's text to what is behind it. */
function contrast(selector: string, behind: string): string {
  return `((text, back) => {
    const light = color => color.match(/[\\d.]+/g).slice(0, 3).map(Number)
      .map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0.05);
    const [a, b] = [light(getComputedStyle(text).color), light(getComputedStyle(back).backgroundColor)];
    return Math.max(a, b) / Math.min(a, b);
  })(document.querySelector(${JSON.stringify(selector)}), document.querySelector(${JSON.stringify(behind)}))`;
}

/** When the list of alerts got another height, as on a machine that is busy with something else. */
const watchAlerts = `window.alertsMoved = [];
addEventListener('DOMContentLoaded', () => {
  let looks = 0; // The first tells what height it has.
  new ResizeObserver(() => looks++ > 0 && window.alertsMoved.push(performance.now())).observe(document.querySelector('#alerts'));
});`;

/** Every time that something else moved by itself, and what did. */
const layoutShifts = `new Promise(resolve => {
  const byAlerts = ({ startTime }) => window.alertsMoved.some(at => Math.abs(at - startTime) < 500);
  const told = ({ value, sources }) => value + ' ' + sources.map(({ node }) => node?.parentElement?.id + '>' + (node?.id ?? node?.nodeName)).join();
  new PerformanceObserver(found => resolve(found.getEntries().filter(one => !byAlerts(one)).map(told))).observe({ type: 'layout-shift', buffered: true });
  setTimeout(resolve, 100, []);
})`;

/** Names what does not fit into its cell of a table, and so lies over the next one. */
const cramped = `[...document.querySelectorAll('main > :not(#drills) :is(th, td)')]
  .filter(cell => cell.scrollWidth > cell.clientWidth).map(cell => cell.innerText).join()`;

/** Names what sticks out to the right, and does not scroll by itself. */
const widerThanThePage = `document.documentElement.scrollWidth <= innerWidth ? '' : [...document.body.querySelectorAll('*')]
  .filter(element => element.getBoundingClientRect().right > innerWidth && !element.closest('.scrolls, #stages, #replicas, #market'))
  .map(element => element.tagName + '#' + element.id + '.' + element.className).join(' ')`;
