import { GLYPH_COLUMNS, GLYPH_ROWS, glyphOf } from './dot-letters.ts';

/** Red, green and blue, 0 to 255 each. */
export type Colour = readonly [red: number, green: number, blue: number];

/** Pixels, three bytes each, row by row from the top. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

export type Anchor = 'start' | 'middle' | 'end';

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly colour: Colour;
}

interface Words {
  readonly x: number;
  /** Of the letters' feet. */
  readonly y: number;
  readonly words: string;
  readonly anchor: Anchor;
  readonly colour: Colour;
}

/** Between the letters of a dot matrix. */
const SPACING = 1;
/** Width of a letter with its space, in the picture of dots and in the one of outlines. */
export const LETTER_WIDTH = GLYPH_COLUMNS + SPACING;

/** A drawing of boxes and words, which comes as SVG or as pixels, the same in both. Coordinates are whole pixels. */
export class Picture {
  readonly width: number;
  readonly height: number;
  readonly #boxes: Box[] = [];
  readonly #words: Words[] = [];

  constructor(width: number, height: number, background: Colour) {
    this.width = width;
    this.height = height;
    this.box(0, 0, width, height, background);
  }

  /** Later boxes are above earlier ones. */
  box(x: number, y: number, width: number, height: number, colour: Colour): void {
    if (width > 0 && height > 0) this.#boxes.push({ x, y, width, height, colour });
  }

  /** Words are above all boxes. */
  text(x: number, y: number, words: string, colour: Colour, anchor: Anchor = 'start'): void {
    this.#words.push({ x, y, words, colour, anchor });
  }

  svg(): string {
    const { width, height } = this;
    const font = `font-family="monospace" font-size="10"`;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ${font}>`,
      ...this.#boxes.map(
        (box) =>
          `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" fill="${hexOf(box.colour)}"/>`,
      ),
      ...this.#words.map((one) => {
        const place = `x="${one.x}" y="${one.y}" text-anchor="${one.anchor}" fill="${hexOf(one.colour)}"`;
        return `<text ${place} xml:space="preserve">${escaped(one.words)}</text>`;
      }),
      '</svg>',
      '',
    ].join('\n');
  }

  pixels(): Pixels {
    const { width, height } = this;
    const pixels = { width, height, rgb: new Uint8Array(width * height * 3) };
    for (const box of this.#boxes) fill(pixels, box);
    for (const words of this.#words) letter(pixels, words);
    return pixels;
  }
}

function fill({ width, height, rgb }: Pixels, box: Box): void {
  const right = Math.min(width, box.x + box.width);
  const bottom = Math.min(height, box.y + box.height);
  for (let y = Math.max(0, box.y); y < bottom; y++) {
    for (let x = Math.max(0, box.x); x < right; x++) rgb.set(box.colour, (y * width + x) * 3);
  }
}

function letter(pixels: Pixels, { x, y, words, anchor, colour }: Words): void {
  const long = words.length * LETTER_WIDTH - SPACING;
  const left = anchor === 'start' ? x : Math.round(anchor === 'end' ? x - long : x - long / 2);
  for (const [index, character] of [...words].entries()) {
    for (const [column, dots] of glyphOf(character).entries()) {
      for (let row = 0; row < GLYPH_ROWS; row++) {
        const dot = { x: left + index * LETTER_WIDTH + column, y: y - 7 + row, width: 1, height: 1, colour };
        if ((dots >> row) & 1) fill(pixels, dot);
      }
    }
  }
}

function hexOf(colour: Colour): string {
  return `#${colour.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

function escaped(words: string): string {
  return words.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
