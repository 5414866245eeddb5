import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

interface OtlpValue {
  readonly stringValue?: string;
  readonly intValue?: number | string;
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: OtlpValue;
}

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly OtlpAttribute[];
}

export interface OtlpMetric {
  readonly name: string;
  readonly unit: string;
  readonly gauge?: object;
  readonly sum?: { readonly isMonotonic: boolean };
  readonly histogram?: {
    readonly dataPoints: readonly { readonly count: number; readonly bucketCounts: readonly number[] }[];
  };
}

/** What a collector is sent: OTLP as JSON, as far as the tests look at it. */
interface Sent {
  readonly resourceMetrics?: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly OtlpMetric[] }[];
  }[];
  readonly resourceSpans?: readonly { readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[] }[];
}

/** Takes what is sent by OTLP over HTTP. */
export class OtlpCollector {
  readonly paths: string[] = [];
  readonly headers: Record<string, unknown>[] = [];
  readonly spans: OtlpSpan[] = [];
  metrics: readonly OtlpMetric[] = [];
  readonly #server: Server;

  static async open(): Promise<OtlpCollector> {
    const collector = new OtlpCollector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      let text = '';
      request.on('data', (piece: Buffer) => {
        text += piece.toString();
      });
      request.on('end', () => {
        this.paths.push(request.url ?? '');
        this.headers.push(request.headers);
        this.#take(JSON.parse(text) as Sent);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #take({ resourceMetrics, resourceSpans }: Sent): void {
    for (const { scopeSpans } of resourceSpans ?? []) for (const { spans } of scopeSpans) this.spans.push(...spans);
    for (const { scopeMetrics } of resourceMetrics ?? []) this.metrics = scopeMetrics.flatMap(({ metrics }) => metrics);
  }
}

export function attributeOf({ attributes }: OtlpSpan, name: string): string | undefined {
  const value = attributes.find(({ key }) => key === name)?.value;
  return value?.stringValue ?? (value?.intValue === undefined ? undefined : String(value.intValue));
}
