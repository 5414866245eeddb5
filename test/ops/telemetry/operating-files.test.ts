import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from '@jest/globals';
import { parse as parseYaml, stringify as stringifyYaml } from 'yaml';
import { NO_WORRY } from '../../../ops/telemetry/metric.ts';
import { METRICS, type MetricName, prometheusName } from '../../../ops/telemetry/metrics.ts';
import { removeTemporaryFolders, temporaryFolder } from '../../journal/temporary-journal.ts';
import { labelsOfSamples } from './prometheus-samples.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const RULES = join(ROOT, 'ops/telemetry/prometheus-rules.yml');
const CASES = join(ROOT, 'test/ops/telemetry/prometheus-rules.cases.yml');
/** What Prometheus adds to what it scrapes. */
const OF_TARGETS = ['job', 'instance'];

afterAll(removeTemporaryFolders);

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: { readonly severity: string };
      readonly annotations: { readonly summary: string };
    }[];
  }[];
}

interface Cases {
  readonly tests: readonly {
    readonly promql_expr_test?: readonly { readonly exp_samples?: readonly { readonly labels?: string }[] }[];
    readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts?: readonly object[] }[];
  }[];
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly expr: string }[];
  /** Of a row that is closed. */
  readonly panels?: readonly Panel[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly query: string }[] };
}

const rules = (parseYaml(readFileSync(RULES, 'utf8')) as Rules).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(readFileSync(join(ROOT, 'ops/telemetry/grafana.json'), 'utf8')) as Dashboard;

/** With those in rows that are closed at first; rows themselves show nothing. */
const panels = dashboard.panels
  .flatMap((panel) => [panel, ...(panel.panels ?? [])])
  .filter(({ targets }) => targets !== undefined);

/** On no panel, and why. */
const ON_NO_PANEL: Readonly<Partial<Record<MetricName, string>>> = {
  'veritape.block': 'the sequence moves with it, and is what processes are compared by',
};

/** What an expression of PromQL names that is not there: metrics, and labels that theirs do not have. */
function unknownIn(expression: string): string[] {
  const known = labelsOfSamples();
  const unknown: string[] = [];
  const labelsThere = new Set(OF_TARGETS);
  for (const [, name = '', inner = ''] of expression.matchAll(/\b([a-z]\w*_\w+)\b(?:\{([^}]*)\})?/g)) {
    if (
      /^(histogram_quantile|predict_linear|(?:last|max)_over_time|group_right|label_values|veritape_shard)$/.test(name)
    )
      continue;
    const labels = known.get(name);
    if (labels === undefined) unknown.push(name);
    for (const label of labels ?? []) labelsThere.add(label);
    for (const [, label = ''] of inner.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g))
      if (!OF_TARGETS.includes(label) && labels?.includes(label) !== true) unknown.push(`${name}{${label}}`);
  }
  for (const [, list = ''] of expression.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g))
    for (const label of list.split(',').map((one) => one.trim()))
      if (!labelsThere.has(label)) unknown.push(`by (${label})`);
  return unknown;
}

/** Labels that a text puts in, in the way of Prometheus or of Grafana. */
function labelsNamed(text: string): string[] {
  return [...text.matchAll(/\{\{\s*\$labels\.(\w+)\s*\}\}/g)].map(([, label = '']) => label);
}

test('what is not there is found in an expression', () => {
  expect(unknownIn('rate(veritape_trades_total[5m]) > 0')).toEqual([]);
  expect(unknownIn('veritape_trades')).toEqual(['veritape_trades']);
  expect(unknownIn('veritape_ring_used{rings="input"}')).toEqual(['veritape_ring_used{rings}']);
  expect(unknownIn('sum by (le, stages) (veritape_stage_duration_seconds_bucket)')).toEqual(['by (stages)']);
});

describe('rules', () => {
  test('name metrics and labels that there are, say how bad it is and what it is', () => {
    expect(rules.length).toBeGreaterThan(20);
    for (const { alert, expr, labels, annotations } of rules) {
      expect([alert, unknownIn(expr)]).toEqual([alert, []]);
      expect(['critical', 'warning']).toContain(labels.severity);
      const samples = [...labelsOfSamples()].filter(([name]) => expr.includes(name)).flatMap(([, own]) => own);
      for (const label of labelsNamed(annotations.summary)) expect([...OF_TARGETS, ...samples]).toContain(label);
    }
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  test('each have a case in which they are told', () => {
    const { tests } = parseYaml(readFileSync(CASES, 'utf8')) as Cases;
    const samples = tests.flatMap(({ promql_expr_test = [] }) =>
      promql_expr_test.flatMap((one) => one.exp_samples ?? []),
    );
    const told = [
      ...samples.map(({ labels = '' }) => /alertname="(\w+)"/.exec(labels)?.[1]),
      ...tests.flatMap(({ alert_rule_test = [] }) =>
        alert_rule_test.flatMap((one) => ((one.exp_alerts ?? []).length > 0 ? [one.alertname] : [])),
      ),
    ];
    expect(rules.map(({ alert }) => alert).filter((alert) => !told.includes(alert))).toEqual([]);
  });

  const checks = hasPromtool() ? test : test.skip;
  checks('are accepted by promtool', () => {
    expect(execFileSync('promtool', ['check', 'rules', RULES], { encoding: 'utf8' })).toContain('SUCCESS');
  });
  checks('say of made-up samples what they should', () => {
    expect(execFileSync('promtool', ['test', 'rules', CASES], { encoding: 'utf8' })).toContain('SUCCESS');
  });
});

/** Metrics that a panel shows something of, in the order of the table. */
function metricsOn({ targets = [] }: Panel): MetricName[] {
  const named = new Set(targets.flatMap(({ expr }) => expr.match(/\w+/g) ?? []));
  return (Object.keys(METRICS) as MetricName[]).filter((name) =>
    ['', '_bucket', '_sum', '_count'].some((suffix) => named.has(`${prometheusName(name)}${suffix}`)),
  );
}

describe('the dashboard of Grafana', () => {
  const queries = [
    ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...dashboard.annotations.list.map(({ expr }) => expr),
  ];

  test('names metrics and labels that there are, each panel in a place of its own', () => {
    expect(queries.length).toBeGreaterThan(100);
    const all = [...queries, ...dashboard.templating.list.map(({ query }) => query)];
    expect(all.filter((query) => unknownIn(query).length > 0)).toEqual([]);
    for (const shown of [dashboard.panels, ...dashboard.panels.map((panel) => panel.panels ?? [])]) {
      const places = shown.map(({ gridPos: { x, y } }) => `${x} ${y}`);
      expect(new Set(places).size).toBe(places.length);
    }
    for (const apart of [panels.map(({ title }) => title), panels.map(({ id }) => String(id))])
      expect(new Set(apart).size).toBe(panels.length);
  });

  test('shows every metric but those that are left out for a reason', () => {
    const shown = new Set(panels.flatMap(metricsOn));
    expect(Object.keys(METRICS).filter((name) => !shown.has(name as MetricName))).toEqual(Object.keys(ON_NO_PANEL));
  });

  test('says of each panel what it is and what to do when it moves, as the document does', () => {
    for (const panel of panels) {
      const told = metricsOn(panel).map((name) => {
        const { description, whenItMoves } = METRICS[name];
        return whenItMoves === NO_WORRY ? `${description}.` : `${description}. ${whenItMoves}`;
      });
      expect([panel.title, panel.description]).toEqual([panel.title, told.join('\n\n')]);
    }
  });

  const checks = hasPromtool() ? test : test.skip;
  checks('asks what Prometheus understands', () => {
    const file = join(temporaryFolder(), 'queries.yml');
    const rules = queries.map((query, index) => ({
      record: `query:${index}`,
      expr: query.replaceAll('$__rate_interval', '5m'),
    }));
    writeFileSync(file, stringifyYaml({ groups: [{ name: 'queries', rules }] }));
    const told = execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' });
    expect(told).toContain(`SUCCESS: ${queries.length} rules found`);
  });
});

test('the document has every metric, with what to do when it moves', () => {
  const text = readFileSync(join(ROOT, 'docs/operating/metrics.md'), 'utf8');
  const rows = text.split('\n').filter((line) => line.startsWith('| `') && line.includes('<br>'));
  const expected = (Object.keys(METRICS) as MetricName[]).map((name) => {
    const { kind, unit, attributes, description, whenItMoves } = METRICS[name];
    const apart = attributes.map((attribute) => `\`${attribute}\``).join(', ');
    return `| \`${name}\`<br>\`${prometheusName(name)}\` | ${kind}, ${unit} | ${apart} | ${description} | ${whenItMoves} |`;
  });
  expect(rows).toEqual(expected);
});

test('the page of alerts has every alert once, and no other', () => {
  const text = readFileSync(join(ROOT, 'docs/operating/alerts.md'), 'utf8');
  const headings = [...text.matchAll(/^### (\w+)$/gm)].map(([, alert]) => alert);
  expect(headings.toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
});

function hasPromtool(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
