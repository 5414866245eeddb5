import { lstat, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readReports, type UnreadReport } from './drill-reader.ts';
import { type DrillReport, type DrillSummary, type ReportedDrill, summaryOf } from './drill-report.ts';

/** What `veritape drill` calls its report. No other file of the folder is ever opened. */
const REPORT = 'report.json';
/** Reports that are read: the newest ones. */
const REPORTS_MAX = 8;
/** Folders looked into, by name: those of drills are called after their time, so the newest ones. */
const FOLDERS_MAX = 1_000;
const TROUBLES_TOLD_MAX = 5;
const LOOK_MS = 5_000;

interface FoundReport {
  /** The folder's. */
  readonly name: string;
  readonly path: string;
  readonly atMs: number;
  readonly size: number;
}

/** What the page shows of a folder with reports of drills. */
export interface DrillsShown {
  /** Undefined if none was given. */
  readonly folder: string | undefined;
  /** Newest first. */
  readonly runs: readonly { readonly name: string; readonly atMs: number }[];
  /** The one that was asked for, or the newest. */
  readonly run: { readonly name: string; readonly seed: number; readonly drills: readonly DrillSummary[] } | undefined;
  /** Of that run, the one that was asked for, or the first whose promise was broken, or the first. */
  readonly drill: ReportedDrill | undefined;
  /** Reports that can not be shown, and why, a line each. */
  readonly troubles: readonly string[];
}

export const NO_DRILLS: DrillsShown = {
  folder: undefined,
  runs: [],
  run: undefined,
  drill: undefined,
  troubles: [],
};

/**
 * Reports of drills below a folder: its own, and those of the folders in it. Looked for when somebody asks, and read again when they
 * have changed. What is asked for is found among what was read: no path is made of it.
 */
export class DrillFolder {
  readonly #directory: string;
  readonly #lookMs: number;
  #reports: readonly (FoundReport & { readonly told: DrillReport | UnreadReport })[] = [];
  #trouble: string | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  /** @param lookMs whoever asks again within this time gets what was found the last time */
  constructor(directory: string, lookMs = LOOK_MS) {
    this.#directory = directory;
    this.#lookMs = lookMs;
  }

  async show(runAsked: string | undefined, drillAsked: string | undefined): Promise<DrillsShown> {
    if (performance.now() - this.#lookedAt > this.#lookMs) {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
        this.#lookedAt = performance.now();
      });
      await this.#looking;
    }
    const troubles = this.#trouble === undefined ? [] : [this.#trouble];
    const runs: { name: string; atMs: number; report: DrillReport }[] = [];
    for (const { name, atMs, told } of this.#reports) {
      if ('why' in told) troubles.push(`${name}/${REPORT}: ${told.why}`);
      else runs.push({ name, atMs, report: told });
    }
    const chosen = runs.find(({ name }) => name === runAsked) ?? runs[0];
    const drills = chosen?.report.drills ?? [];
    return {
      folder: this.#directory,
      runs: runs.map(({ name, atMs }) => ({ name, atMs })),
      run: chosen && { name: chosen.name, seed: chosen.report.seed, drills: drills.map(summaryOf) },
      drill:
        drills.find(({ name }) => name === drillAsked) ??
        drills.find(({ outcome }) => outcome === 'broken') ??
        drills[0],
      troubles: troubles.slice(0, TROUBLES_TOLD_MAX),
    };
  }

  async #look(): Promise<void> {
    try {
      const found = await this.#find();
      const before = this.#reports;
      const known = found.map((report) =>
        before.find(({ path, atMs, size }) => path === report.path && atMs === report.atMs && size === report.size),
      );
      const unknown = found.filter((_, index) => known[index] === undefined);
      const told = unknown.length === 0 ? [] : await readReports(unknown.map(({ path }) => path));
      this.#reports = found.map(
        (report, index) =>
          known[index] ?? { ...report, told: told[unknown.indexOf(report)] ?? { why: 'was not read' } },
      );
      this.#trouble = undefined;
    } catch (error) {
      // A folder that is not there yet has no drills.
      const { code, message } = error as NodeJS.ErrnoException;
      this.#reports = [];
      this.#trouble = code === 'ENOENT' ? undefined : message;
    }
  }

  /** The newest reports, newest first. Links are passed over. */
  async #find(): Promise<FoundReport[]> {
    const entries = await readdir(this.#directory, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    const newest = folders.sort().reverse().slice(0, FOLDERS_MAX);
    const places = [
      { name: basename(this.#directory), path: join(this.#directory, REPORT) },
      ...newest.map((name) => ({ name, path: join(this.#directory, name, REPORT) })),
    ];
    const found: FoundReport[] = [];
    for (const { name, path } of places) {
      const stat = await lstat(path).catch(() => undefined);
      if (stat?.isFile() === true) found.push({ name, path, atMs: stat.mtimeMs, size: stat.size });
    }
    return found.sort((a, b) => b.atMs - a.atMs).slice(0, REPORTS_MAX);
  }
}
