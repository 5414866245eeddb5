import { whole } from '../../telemetry/quantities.ts';
import type { DrillsShown } from '../drill-folder.ts';
import type { DrillSummary, ReportedDrill } from '../drill-report.ts';
import { DrillPicture, fromFailure, milliseconds, sinceFailure } from './drill-picture.ts';
import { byId, mark, say } from './elements.ts';
import { ask } from './polling.ts';

/** A drill takes longer than to look again. */
const EVERY_MS = 10_000;

const run = byId<HTMLSelectElement>('drill-run');
const round = byId<HTMLSelectElement>('drill-round');
const reports = byId('drill-reports');
const rows = byId('drill-rows') as HTMLTableSectionElement;
const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

/** The newest drills of a folder: what came of each, and the timeline of one of them. */
export class DrillsView {
  readonly #picture = new DrillPicture();
  /** As long as nothing was chosen, the server chooses. */
  #run: string | undefined;
  #drill: string | undefined;
  #shown: DrillsShown | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor() {
    run.addEventListener('change', () => {
      // Who chose the newest one sees the next newest when it is there.
      this.#run = run.selectedIndex === 0 ? undefined : run.value;
      this.#drill = undefined;
      void this.#ask();
    });
    round.addEventListener('change', () => this.#drawRound());
  }

  /** Looks again, if it is time to. */
  async look(): Promise<void> {
    if (performance.now() - this.#askedAt > EVERY_MS) await this.#ask();
  }

  /** To the choice of a drill. */
  focus(): void {
    (rows.querySelector<HTMLInputElement>(':checked') ?? run).focus();
  }

  async #ask(): Promise<void> {
    const began = performance.now();
    this.#askedAt = began;
    const asked = new URLSearchParams();
    if (this.#run !== undefined) asked.set('run', this.#run);
    if (this.#drill !== undefined) asked.set('drill', this.#drill);
    try {
      const shown = (await ask(`drills?${asked}`)) as DrillsShown;
      // Somebody chose something else meanwhile.
      if (this.#askedAt !== began) return;
      if (JSON.stringify(shown) !== JSON.stringify(this.#shown)) this.#draw(shown);
    } catch {
      // That the server can not be reached is told already.
    }
  }

  #draw(shown: DrillsShown): void {
    const before = this.#shown;
    this.#shown = shown;
    const isSame = before?.run?.name === shown.run?.name && before?.drill?.name === shown.drill?.name;
    const { runs, troubles, drill } = shown;
    byId('drills').classList.toggle('empty', shown.run === undefined);
    const state = byId('drills-state');
    say(state, stateOf(shown));
    mark(state, shown.run?.drills.some(({ outcome }) => outcome === 'broken') === true ? 'bad' : undefined);
    byId('drill-troubles').replaceChildren(...troubles.map((text) => element('li', text)));
    run.replaceChildren(...runs.map(({ name, atMs }) => new Option(`${day.format(atMs)}, ${name}`, name)));
    run.value = shown.run?.name ?? '';
    this.#drawRows(shown.run?.drills ?? [], drill?.name);
    if (drill === undefined) return;
    const rounds = drill.eachRound.length;
    const chosen = isSame ? round.selectedIndex : (drill.load?.round ?? 1) - 1;
    round.replaceChildren(...drill.eachRound.map((_, index) => new Option(`${index + 1} of ${drill.rounds}`)));
    round.selectedIndex = Math.min(Math.max(0, chosen), rounds - 1);
    byId('drill-what').replaceChildren(...described(drill));
    this.#drawRound();
  }

  #drawRows(drills: readonly DrillSummary[], chosen: string | undefined): void {
    const isSame = rows.rows.length === drills.length && drills.every(({ name }, index) => name === nameIn(index));
    if (!isSame) rows.replaceChildren(...drills.map((drill) => this.#row(drill)));
    const place = drills.findIndex(({ name }) => name === chosen);
    // What the server chose may be far down.
    if (!isSame) reports.scrollTop = (rows.rows[place]?.offsetTop ?? 0) - reports.clientHeight / 2;
    for (const [index, drill] of drills.entries()) {
      const row = rows.rows[index];
      const radio = row?.querySelector('input');
      if (row === undefined || radio === null || radio === undefined) continue;
      radio.checked = drill.name === chosen;
      for (const [place, text] of cellsOf(drill).entries()) say(row.cells[place + 1] ?? row, text);
      const look = { held: 'good', broken: 'bad', 'could not run': 'warn', interrupted: 'warn' } as const;
      mark(row.cells[1] ?? row, look[drill.outcome]);
      mark(row.cells[6] ?? row, drill.wrong > 0 ? 'bad' : undefined);
    }
  }

  #row({ name }: DrillSummary): HTMLTableRowElement {
    const radio = document.createElement('input');
    Object.assign(radio, { type: 'radio', name: 'drill', value: name });
    radio.addEventListener('change', () => {
      this.#drill = name;
      void this.#ask();
    });
    const label = document.createElement('label');
    label.append(radio, ` ${name}`);
    const head = document.createElement('th');
    head.scope = 'row';
    head.append(label);
    const row = document.createElement('tr');
    row.append(head, ...Array.from({ length: 6 }, () => document.createElement('td')));
    return row;
  }

  #drawRound(): void {
    const drill = this.#shown?.drill;
    if (drill === undefined) return;
    this.#picture.draw(drill, round.selectedIndex);
    const chosen = drill.eachRound[round.selectedIndex];
    const { events, gap, acknowledged } = chosen === undefined ? NOTHING : fromFailure(chosen);
    const lines = events.map(({ atMs, kind, text }) => {
      const line = element('li', '');
      line.className = kind;
      const time = element('time', sinceFailure(atMs));
      line.append(time, ' ', element('span', text));
      return line;
    });
    byId('drill-events').replaceChildren(...lines);
    say(
      byId('drill-round-told'),
      chosen === undefined
        ? ''
        : `${whole(acknowledged)} commands acknowledged; longest time without any ${milliseconds(gap.toMs - gap.fromMs)}`,
    );
  }
}

const NOTHING = { events: [], gap: { fromMs: 0, toMs: 0 }, acknowledged: 0 };

function stateOf({ folder, run: shown, troubles }: DrillsShown): string {
  if (folder === undefined)
    return 'No folder with drills was given: veritape drill --dir drills/1, and here --drills drills';
  if (shown === undefined)
    return troubles.length > 0
      ? 'No report can be shown'
      : `No report yet in ${folder}: veritape drill --dir ${folder}/1`;
  const counts = Map.groupBy(shown.drills, ({ outcome }) => outcome);
  const told = [...counts].map(([outcome, drills]) => `${drills.length} ${outcome === 'broken' ? 'BROKEN' : outcome}`);
  return `${told.join(', ')}; seed ${shown.seed}`;
}

function cellsOf({ outcome, rounds, wrong, takeOverMs, longestGapMs }: DrillSummary): string[] {
  const times = [takeOverMs?.p50, takeOverMs?.max, rounds === 0 ? undefined : longestGapMs];
  const told = outcome === 'broken' ? 'BROKEN' : outcome;
  return [told, ...times.map((ms) => (ms === undefined ? '-' : milliseconds(ms))), whole(rounds), whole(wrong)];
}

function described({ what, promise, why }: ReportedDrill): Element[] {
  const told = [element('p', `Done: ${what}.`), element('p', `Promised: ${promise}.`)];
  if (why === undefined) return told;
  const wrong = element('p', `But ${why}`);
  wrong.className = 'bad';
  return [...told, wrong];
}

function nameIn(index: number): string | undefined {
  return rows.rows[index]?.querySelector('input')?.value;
}

function element(name: string, text: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
