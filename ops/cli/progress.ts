import type { Ora } from 'ora';

const TERMINAL_EVERY_MS = 100;
const LINE_EVERY_MS = 5_000;

/** How far a long command is, on stderr: a moving line on a terminal that has a width, else a line every few seconds. */
export class Progress implements Disposable {
  readonly #what: string;
  readonly #spinner: Ora | undefined;
  readonly #everyMs: number;
  #toldAt = performance.now();
  #told = '';

  static async start(what: string): Promise<Progress> {
    // Some terminals say that they have 0 columns, such as serial consoles: ora would clear infinitely many lines there.
    if (!process.stderr.isTTY || process.stderr.columns === 0) return new Progress(what, undefined);
    const { default: ora } = await import('ora');
    // It would otherwise take the keyboard, Ctrl-C with it.
    return new Progress(what, ora({ text: what, stream: process.stderr, discardStdin: false }).start());
  }

  private constructor(what: string, spinner: Ora | undefined) {
    this.#what = what;
    this.#spinner = spinner;
    this.#everyMs = spinner === undefined ? LINE_EVERY_MS : TERMINAL_EVERY_MS;
  }

  /** Cheap unless it is time to tell; `text` is asked for only then. */
  update(text: () => string): void {
    const now = performance.now();
    if (now - this.#toldAt < this.#everyMs) return;
    this.#toldAt = now;
    const told = `${this.#what}: ${text()}`;
    if (told === this.#told) return;
    this.#told = told;
    if (this.#spinner === undefined) process.stderr.write(`${told}\n`);
    else this.#spinner.text = told;
  }

  /** Before a step that lets nothing else have its turn; said on a terminal only. */
  phase(text: string): void {
    if (this.#spinner === undefined) return;
    this.#spinner.text = `${this.#what}: ${text}`;
    this.#spinner.render();
  }

  /** Clears the terminal's line, before something else is printed. */
  stop(): void {
    this.#spinner?.stop();
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
