import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { threadEntry } from '../../sequencer/thread-entry.ts';
import type { Preparation } from './scenario.ts';

const MS_PER_HOUR = 3_600_000;

/** The wall clocks of processes, each as far off as a drill says: see shifted-clock.ts, which is loaded into them. */
export class ShiftedClocks {
  readonly #folder: string;

  /** A preparation whose means are these. */
  static readonly prepare = (folder: string): Preparation => {
    const means = new ShiftedClocks(folder);
    const nodeArgs = ['--import', threadEntry(import.meta.url, './shifted-clock').href];
    const env = (member: string): Record<string, string> => ({ VERITAPE_DRILL_CLOCK: means.#file(member) });
    return { means, processOptions: (member) => ({ nodeArgs, env: env(member) }) };
  };

  private constructor(folder: string) {
    this.#folder = folder;
  }

  set(member: string, hours: number): void {
    writeFileSync(this.#file(member), String(hours * MS_PER_HOUR));
  }

  #file(member: string): string {
    return join(this.#folder, `clock-${member}`);
  }
}
