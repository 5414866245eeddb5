export interface Metric {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** In UCUM: `s`, `By`, `1`, or a noun in braces. */
  readonly unit: string;
  /** What its points are told apart by. */
  readonly attributes: readonly string[];
  readonly description: string;
  /** What to do when it moves. */
  readonly whenItMoves: string;
}

/** Metrics of a kind; kind and attributes stay literal, so that the compiler knows which points a metric has. */
function of<K extends Metric['kind']>(kind: K) {
  return <const A extends readonly string[]>(
    unit: string,
    attributes: A,
    description: string,
    whenItMoves: string,
  ): Metric & { readonly kind: K; readonly attributes: A } => ({ kind, unit, attributes, description, whenItMoves });
}
export const counter = of('counter');
export const gauge = of('gauge');
export const histogram = of('histogram');

/** What to do when a metric moves that says nothing alone. */
export const NO_WORRY = 'Nothing to act on by itself.';
