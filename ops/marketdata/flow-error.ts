/** A market-data file that can not be read on: names the file, the place in it, the field, its value and the rule. */
export class FlowError extends Error {
  readonly file: string;
  readonly place: string;
  readonly field: string;

  constructor(file: string, place: string, field: string, value: string | number, rule: string) {
    super(`${file}: ${place}: ${field}: ${value} must be ${rule}`);
    this.name = 'FlowError';
    this.file = file;
    this.place = place;
    this.field = field;
  }
}
