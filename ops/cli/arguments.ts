import { type Command, InvalidArgumentError } from 'commander';

/** Reads the value of an option, and can tell what it takes. */
export interface Parser<T> {
  (text: string): T;
  /** Completes "It must be …". */
  readonly rule: string;
}

/** A parser of what `read` makes something of; undefined is refused with the rule. */
export function parser<T>(rule: string, read: (text: string) => T | undefined): Parser<T> {
  const parse = (text: string): T => {
    const value = read(text);
    if (value !== undefined) return value;
    throw new InvalidArgumentError(`It must be ${rule}.`);
  };
  return Object.assign(parse, { rule });
}

/** Parser of an option that is a whole number in a range. */
export function wholeNumber(min: number, max: number): Parser<number> {
  return parser(`a whole number from ${min} to ${max}`, (text) => {
    const value = Number(text);
    return /^\d+$/.test(text) && value >= min && value <= max ? value : undefined;
  });
}

const SIZE_UNITS = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;

/** Parser of an option that is a number of bytes, at least `min`: 2G, 512M, 65536. */
export function byteSize(min: number): Parser<number> {
  return parser(`a size such as 2G or 512M, and at least ${min} bytes`, (text) => {
    const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([KMG]?)$/.exec(text) ?? [];
    const value = Math.floor(Number(digits) * SIZE_UNITS[unit as keyof typeof SIZE_UNITS]);
    return value >= min && Number.isSafeInteger(value) ? value : undefined;
  });
}

/** Parser of an option that is a time in seconds, with or without decimals. */
export const positiveSeconds: Parser<number> = parser('a number of seconds above 0', (text) => {
  const value = Number(text);
  return /^\d+(\.\d+)?$/.test(text) && value > 0 ? value : undefined;
});

/** Adds the examples to a command's help. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  const lines = examples.map((example) => `  $ ${example}`).join('\n');
  return command.addHelpText('after', `\nExample${examples.length > 1 ? 's' : ''}:\n${lines}`);
}

/** Digits in groups of three. */
export function grouped(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Things done in so many milliseconds, by the second, with groups of three digits; a short time tells nothing. */
export function rateOf(count: number, elapsedMs: number): number {
  return Math.round((count * 1000) / Math.max(elapsedMs, 0.001));
}
