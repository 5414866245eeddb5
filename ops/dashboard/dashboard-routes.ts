import type { IncomingMessage } from 'node:http';
import { isBound } from '../../sequencer/principals.ts';
import { answerJson, type OperatorServer } from '../telemetry/operator-server.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Venue } from '../venue.ts';
import { type DashboardPage, dashboardPage } from './dashboard-page.ts';
import { type GlancedVenue, MarketGlances } from './market-glance.ts';

/**
 * The page at /, and besides /readings what it asks for: /marks, what lies in the folder along the sequence, and
 * /market?symbol=N, a book and the last trades, which are public. To be closed before the process ends.
 */
export function serveDashboard(server: OperatorServer, telemetry: Telemetry): { close(): void } {
  let page: Promise<DashboardPage> | undefined;
  server.route('/', async (_, response) => {
    page ??= dashboardPage();
    page.catch(() => {
      page = undefined;
    });
    const { html, policy } = await page;
    response.setHeader('content-security-policy', policy);
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(html);
  });
  server.route('/marks', (_, response) =>
    answerJson(response, 200, telemetry.folderMarks ?? { snapshots: [], proven: [] }),
  );
  const glances = new MarketGlances(() => glancedVenue(telemetry));
  server.route('/market', (request, response) =>
    answerJson(response, 200, { market: glances.look(symbolIn(request)) }),
  );
  return glances;
}

function glancedVenue({ servingVenue: venue }: Telemetry): GlancedVenue | undefined {
  return (
    venue && {
      connect: () => venue.watch.connectBeside('dashboard'),
      whyNot: whyNoMarket(venue),
      shard: venue.genesis.shard,
      instruments: venue.instruments.all,
      hasBooks: venue.marketDataCounts !== undefined,
    }
  );
}

function whyNoMarket(venue: Venue): string | undefined {
  const { connection } = venue.watch;
  if (connection === undefined) return 'the venue publishes nothing: it runs without --nats';
  return isBound(connection) ? 'the identity of the venue may not read market data (--bound)' : undefined;
}

/** Undefined if it names none: then the first one is told of. */
function symbolIn({ url = '' }: IncomingMessage): number | undefined {
  const text = URL.parse(url, 'http://localhost')?.searchParams.get('symbol') ?? '';
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
