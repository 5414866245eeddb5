import { alertsOf, changesBetween } from '../../telemetry/alerts.ts';
import type { Readings } from '../../telemetry/figures.ts';
import { duration, each, seconds } from '../../telemetry/quantities.ts';
import { DrillsView } from './drills-view.ts';
import { byId, emptyRows, mark, say, show, showRows } from './elements.ts';
import { HistogramPicture } from './histogram-picture.ts';
import { History, STAGES } from './history.ts';
import { chosenSymbol, drawMarket, layOutMarket } from './market-tables.ts';
import { drawFigures, drawStages, stageRows } from './numbers.ts';
import { PipelinePicture } from './pipeline-picture.ts';
import { type Answers, poll } from './polling.ts';
import { SequencePicture } from './sequence-picture.ts';
import { clockTime, TimeChart } from './time-chart.ts';

/** Without an answer for this long, what is shown is no longer what is. */
const STALE_MS = 3_000;
const CHANGES_KEPT = 200;
const MINUTE_S = 60;
const REPLICAS_USUAL = 2;

const history = new History();
const pipeline = new PipelinePicture();
const histogram = new HistogramPicture();
const sequence = new SequencePicture();
const drills = new DrillsView();
const rates = new TimeChart({
  id: 'rates-chart',
  scale: 'linear',
  format: each,
  lines: [
    { label: 'commands', color: 'first' },
    { label: 'trades', color: 'second', dash: [6, 3] },
    { label: 'refused', color: 'bad', dash: [2, 3] },
  ],
});
const latency = new TimeChart({
  id: 'latency-chart',
  scale: 'log',
  format: seconds,
  lines: [
    { label: 'p50', color: 'first' },
    { label: 'p99', color: 'second', dash: [6, 3] },
    { label: 'p99.9', color: 'third', dash: [2, 3] },
  ],
});

let stage = 0;
let isHeld = false;
let isMarketSeen = true;
let areDrillsSeen = false;
let answers: Answers | undefined;
/** By this page's clock. */
let answeredAt: number | undefined;
let lost: { readonly sinceMs: number; readonly why: string } | undefined;

const sinceStart = byId<HTMLInputElement>('since-start');
const timeShown = byId<HTMLSelectElement>('window');
const hold = byId<HTMLButtonElement>('hold');
const keyList = byId<HTMLDialogElement>('key-list');
const keysOn = byId<HTMLInputElement>('keys-on');
const instrument = byId<HTMLSelectElement>('instrument');
const radios = stageRows(
  STAGES.map(({ label }) => label),
  (chosen) => {
    stage = chosen;
    draw();
  },
);

// --- What comes ----------------------------------------------------------------------------------------------------------

function take(told: Answers): void {
  const before = answers?.readings;
  answers = told;
  answeredAt = Date.now();
  if (lost !== undefined) tell([`connected again, after ${duration((Date.now() - lost.sinceMs) / 1e3)}`]);
  lost = undefined;
  if (before !== undefined) tell(changesBetween(before, told.readings));
  // What is wrong is told also while the rest is held.
  drawDescribed(told.readings);
  drawAlerts(alertsOf(told.readings));
  if (!isHeld) {
    history.take(told.readings);
    draw();
    if (areDrillsSeen && !document.hidden) void drills.look();
  }
  drawConnection();
}

function fail(why: string): void {
  if (lost === undefined) {
    lost = { sinceMs: answeredAt ?? Date.now(), why };
    tell([`no answer: ${why}`]);
  }
  drawConnection();
}

function tell(changes: readonly string[]): void {
  const list = byId('event-list');
  for (const text of changes) {
    const line = document.createElement('li');
    const time = document.createElement('time');
    time.textContent = clockTime(Date.now());
    line.append(time, ` ${text}`);
    list.prepend(line);
  }
  while (list.children.length > CHANGES_KEPT) list.lastElementChild?.remove();
}

// --- What is shown -------------------------------------------------------------------------------------------------------

function draw(): void {
  const { newest } = history;
  if (newest === undefined || answers === undefined) return;
  const before = history.before ?? newest;
  drawFigures(history, before, newest);
  pipeline.draw(before, newest);
  drawStages(history);
  const label = STAGES[stage]?.label ?? '';
  show('stage', label);
  const to = newest.atMs / 1e3;
  const from = Math.max(to - Number(timeShown.value), Math.min(history.times[0] ?? to, to - MINUTE_S));
  rates.draw(history.times, history.rates, from, to);
  latency.draw(history.times, history.latencies[stage] ?? [], from, to);
  drawHistogram();
  sequence.draw(answers.marks ?? { snapshots: [], proven: [] }, newest.described.sequence, proofAge(newest));
  if (answers.market !== undefined) drawMarket(answers.market);
}

function drawHistogram(): void {
  const of = STAGES[stage];
  if (of !== undefined) histogram.draw(history.over(sinceStart.checked ? 'start' : MINUTE_S, of));
}

function proofAge(readings: Readings): string {
  const [age] = readings.metrics['veritape.proof.age'] ?? [];
  return age === undefined ? '' : `; the newest was written ${duration(age.value)} ago`;
}

function drawDescribed({ described }: Readings): void {
  const { role, shard, node, epoch, notReady, version, pid } = described;
  const state = byId('state');
  say(state, notReady === undefined ? 'ready' : 'NOT READY');
  mark(state, notReady === undefined ? 'good' : 'bad');
  const parts = [role, ...(node === undefined ? [] : [node]), `shard ${shard}`, `epoch ${epoch ?? '-'}`];
  say(byId('described'), [...parts, `process ${pid}`, `version ${version}`].join(', '));
}

function drawAlerts(alerts: readonly string[]): void {
  const section = byId('alerts');
  section.classList.toggle('raised', alerts.length > 0);
  const texts = alerts.length === 0 ? ['No alerts'] : alerts.map((text) => `! ${text}`);
  const list = byId('alert-list');
  if (texts.join('\n') === [...list.children].map(({ textContent }) => textContent).join('\n')) return;
  list.replaceChildren(
    ...texts.map((text) => {
      const line = document.createElement('li');
      line.textContent = text;
      return line;
    }),
  );
}

/** Also between answers: how old what is shown has become. */
function drawConnection(): void {
  const ageMs = answeredAt === undefined ? undefined : Date.now() - answeredAt;
  const isStale = lost !== undefined || (ageMs ?? 0) > STALE_MS;
  document.body.classList.toggle('stale', isStale);
  const of = answeredAt === undefined ? 'nothing came yet' : `as of ${clockTime(answeredAt)}`;
  if (isStale) {
    // Without the age, because it is read out whenever it changes.
    drawAlerts([`NO CONNECTION. All below is ${of}. Asking again every second`]);
    const state = byId('state');
    say(state, 'NO CONNECTION');
    mark(state, 'bad');
  }
  const age = isStale && ageMs !== undefined ? `, ${duration(ageMs / 1e3)} ago` : '';
  say(byId('freshness'), `${isHeld ? 'held as it was; ' : ''}${of}${age}`);
  const described = answers?.readings.described;
  const alerts = answers === undefined ? [] : alertsOf(answers.readings);
  const sign = isStale ? 'NO CONNECTION ' : alerts.length > 0 ? '! ' : '';
  document.title = `${sign}veritape ${described === undefined ? '' : `${described.role} ${described.shard}`}`;
}

// --- What an operator does -----------------------------------------------------------------------------------------------

function setHeld(held: boolean): void {
  isHeld = held;
  hold.setAttribute('aria-pressed', String(held));
  drawConnection();
}

const KEYS: Readonly<Record<string, () => void>> = {
  m: () => sinceStart.click(),
  t: () => {
    timeShown.selectedIndex = (timeShown.selectedIndex + 1) % timeShown.options.length;
    draw();
  },
  i: () => instrument.focus(),
  d: () => drills.focus(),
  p: () => setHeld(!isHeld),
  '?': () => keyList.showModal(),
};

hold.addEventListener('click', () => setHeld(!isHeld));
timeShown.addEventListener('change', draw);
sinceStart.addEventListener('change', draw);
byId('keys').addEventListener('click', () => keyList.showModal());
document.addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLSelectElement;
  if (!keysOn.checked || isTyping || keyList.open || event.ctrlKey || event.altKey || event.metaKey) return;
  const radio = /^[1-9]$/.test(event.key) ? radios[Number(event.key) - 1] : undefined;
  if (radio !== undefined) radio.click();
  else KEYS[event.key]?.();
});
new IntersectionObserver(([entry]) => {
  isMarketSeen = entry?.isIntersecting === true;
}).observe(byId('market'));
new IntersectionObserver(([entry]) => {
  areDrillsSeen = entry?.isIntersecting === true;
}).observe(byId('drills'));

say(byId('place'), location.host);
layOutMarket();
showRows(byId('replica-rows'), emptyRows(REPLICAS_USUAL, 4));
tell(['this page was opened']);
setInterval(drawConnection, 1_000);
void poll(
  () => {
    if (!isMarketSeen || document.hidden || isHeld) return undefined;
    const symbol = chosenSymbol();
    return symbol === undefined ? '' : `?symbol=${symbol}`;
  },
  take,
  fail,
);
