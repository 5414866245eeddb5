import type { FolderMarks } from '../../telemetry/folder-watch.ts';
import { whole } from '../../telemetry/quantities.ts';
import { byId, picture, set, show, svg } from './elements.ts';

const WIDTH = 1_000;
const HEIGHT = 10;
/** A range that is narrower would not be seen. */
const WIDTH_MIN = 1;

/** The journal from its first command to what is durable: what proofs cover, and where snapshots were taken. */
export class SequencePicture {
  readonly #picture = picture(WIDTH, HEIGHT, 'Proofs and snapshots along the sequence');

  constructor() {
    set(this.#picture, { preserveAspectRatio: 'none' });
    byId('proofs-picture').append(this.#picture);
  }

  draw({ proven, snapshots }: FolderMarks, durable: number | undefined, more: string): void {
    const end = Math.max(durable ?? 0, proven.at(-1)?.to ?? 0, snapshots[0] ?? 0, 1);
    const xOf = (sequence: number): number => (sequence / end) * WIDTH;
    const parts: SVGElement[] = [svg('rect', { class: 'slots', x: 0, y: 0, width: WIDTH, height: HEIGHT })];
    for (const { from, to } of proven) {
      const x = xOf(from - 1);
      parts.push(svg('rect', { class: 'proven', x, y: 0, width: Math.max(WIDTH_MIN, xOf(to) - x), height: HEIGHT }));
    }
    for (const sequence of snapshots) {
      const x = xOf(sequence);
      parts.push(svg('line', { class: 'snapshot', x1: x, x2: x, y1: 0, y2: HEIGHT }));
    }
    show('end', whole(end));
    this.#picture.replaceChildren(...parts);
    const commands = proven.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const share = durable === undefined ? '' : ` of ${whole(durable)} (${((100 * commands) / end).toFixed(1)} %)`;
    const covered =
      commands === 0 ? 'No proofs lie beside the journal' : `Proofs cover ${whole(commands)} commands${share}`;
    const text = `${covered}${more}. By the names of the files: veritape verify DIR checks them.`;
    show('proofs', text);
    set(this.#picture, { 'aria-label': text });
  }
}
