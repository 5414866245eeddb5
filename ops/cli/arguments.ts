import { type Command, InvalidArgumentError } from 'commander';

/** Parser of an option that is a whole number in a range. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

const SIZE_UNITS = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 } as const;

/** Parser of an option that is a number of bytes, at least `min`: 2G, 512M, 65536. */
export function byteSize(min: number): (text: string) => number {
  return (text) => {
    const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([KMG]?)$/.exec(text) ?? [];
    const value = Math.floor(Number(digits) * SIZE_UNITS[unit as keyof typeof SIZE_UNITS]);
    if (value >= min && Number.isSafeInteger(value)) return value;
    throw new InvalidArgumentError(`It must be a size such as 2G or 512M, and at least ${min} bytes.`);
  };
}

/** Parser of an option that is a time in seconds, with or without decimals. */
export function positiveSeconds(text: string): number {
  const value = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && value > 0) return value;
  throw new InvalidArgumentError('It must be a number of seconds above 0.');
}

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
