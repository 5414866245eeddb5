import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Preparation } from './scenario.ts';

const SOURCE = fileURLToPath(new URL('./slow-flush.c', import.meta.url));
const COMPILE_MS_MAX = 30_000;

/** Makes the flushes of processes take longer, from when it is told to on. */
export class SlowFlush {
  readonly #file: string;

  /** A preparation whose means are one of these, for the named members; it needs a C compiler. */
  static prepare(folder: string, isSlow: (member: string) => boolean): Preparation {
    const [library, file] = [join(folder, 'slow-flush.so'), join(folder, 'flush-ms')];
    try {
      const args = ['-shared', '-fPIC', '-O1', '-o', library, SOURCE, '-ldl'];
      execFileSync('cc', args, { stdio: 'pipe', timeout: COMPILE_MS_MAX });
    } catch (error) {
      const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      return { lacking: `flushes are made slow by a library that a C compiler makes, and cc failed: ${why}` };
    }
    const means = new SlowFlush(file);
    means.set(0);
    const env = { LD_PRELOAD: library, VERITAPE_DRILL_FLUSH: file };
    return { means, processOptions: (member) => (isSlow(member) ? { env } : {}) };
  }

  private constructor(file: string) {
    this.#file = file;
  }

  /** How much longer every flush takes from now on. */
  set(ms: number): void {
    writeFileSync(this.#file, String(ms));
  }
}
