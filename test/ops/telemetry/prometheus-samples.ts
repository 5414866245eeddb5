import { METRICS, type MetricName, prometheusName } from '../../../ops/telemetry/metrics.ts';

/** What every sample has beside the attributes of its metric. */
const OF_ALL = ['veritape_shard'];

/** Names of samples that there can be in Prometheus, each with its labels. */
export function labelsOfSamples(): Map<string, string[]> {
  const labels = new Map<string, string[]>();
  for (const name of Object.keys(METRICS) as MetricName[]) {
    const { kind, attributes } = METRICS[name];
    const own = [...attributes.map((attribute) => attribute.replaceAll('.', '_')), ...OF_ALL];
    const family = prometheusName(name);
    if (kind !== 'histogram') labels.set(family, own);
    else {
      labels.set(`${family}_bucket`, [...own, 'le']);
      for (const suffix of ['_sum', '_count']) labels.set(`${family}${suffix}`, own);
    }
  }
  return labels;
}
