// Numbers for people, with units. `-` stands for what is not known.

/** From here on three digits round up to 1,000, for which there is the next unit. */
const ROUNDS_UP = 999.5;
const NUMBERS = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export function whole(value: number | undefined): string {
  return value === undefined ? '-' : NUMBERS.format(value);
}

/** How many a second, without that unit. */
export function perSecond(value: number | undefined): string {
  if (value === undefined) return '-';
  return value > 0 && value < 10 ? value.toFixed(1) : whole(value);
}

/** The same with its unit. */
export function each(value: number | undefined): string {
  return value === undefined ? '-' : `${perSecond(value)}/s`;
}

/** With a unit that leaves three digits or so. */
export function seconds(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value >= ROUNDS_UP / 1e3) return `${value.toPrecision(3)} s`;
  return value >= ROUNDS_UP / 1e6 ? `${(value * 1e3).toPrecision(3)} ms` : `${(value * 1e6).toPrecision(3)} µs`;
}

export function bytes(value: number | undefined): string {
  if (value === undefined) return '-';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let unit = 0;
  while (scaled >= ROUNDS_UP && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${unit === 0 ? scaled.toFixed(0) : scaled.toPrecision(3)} ${units[unit]}`;
}

export function duration(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value < 60) return `${value.toFixed(0)} s`;
  if (value < 3_600) return `${Math.floor(value / 60)} min`;
  if (value < 86_400) return `${Math.floor(value / 3_600)} h ${Math.floor((value % 3_600) / 60)} min`;
  return `${Math.floor(value / 86_400)} d ${Math.floor((value % 86_400) / 3_600)} h`;
}
