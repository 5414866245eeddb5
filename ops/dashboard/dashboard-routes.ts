import type { IncomingMessage } from 'node:http';
import { answerJson, type OperatorServer } from '../telemetry/operator-server.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type DashboardPage, dashboardPage } from './dashboard-page.ts';
import { DrillFolder, NO_DRILLS } from './drill-folder.ts';
import { marketOf } from './market.ts';

/**
 * The page at /, and besides /readings what it asks for: /marks, what lies in the folder along the sequence;
 * /market?symbol=N, a book and the last trades, which are public; /drills?run=NAME&drill=NAME, reports of drills.
 * @param drills folder of these reports
 */
export function serveDashboard(server: OperatorServer, telemetry: Telemetry, drills: string | undefined): void {
  let page: Promise<DashboardPage> | undefined;
  server.route('/', async (_, response) => {
    page ??= dashboardPage();
    page.catch(() => {
      page = undefined;
    });
    const { html, policy } = await page;
    // The page keeps room for what will come.
    const markup = drills === undefined ? html : html.replace('<section id="drills" class="', '$&given ');
    response.setHeader('content-security-policy', policy);
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(markup);
  });
  server.route('/marks', (_, response) =>
    answerJson(response, 200, telemetry.folderMarks ?? { snapshots: [], proven: [] }),
  );
  server.route('/market', async (request, response) =>
    answerJson(response, 200, await marketOf(telemetry.watched, symbolIn(request))),
  );
  const folder = drills === undefined ? undefined : new DrillFolder(drills);
  server.route('/drills', async (request, response) => {
    const asked = queryOf(request);
    const run = asked?.get('run') ?? undefined;
    const drill = asked?.get('drill') ?? undefined;
    answerJson(response, 200, folder === undefined ? NO_DRILLS : await folder.show(run, drill));
  });
}

/** Undefined if it names none: then the first one is told of. */
function symbolIn(request: IncomingMessage): number | undefined {
  const text = queryOf(request)?.get('symbol') ?? '';
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function queryOf({ url = '' }: IncomingMessage): URLSearchParams | undefined {
  return URL.parse(url, 'http://localhost')?.searchParams;
}
