import { readFile } from 'node:fs/promises';
import { EnvironmentFault } from '../exit-codes.ts';

/** Where the build puts it, beside this file. A checkout has none there, and makes it of its sources. */
const BUILT = new URL('./dashboard.html', import.meta.url);
const BUILDER = new URL('../../bin/page.js', import.meta.url);

export interface DashboardPage {
  readonly html: string;
  /** What a browser lets it do: run its own script, and ask where it came from. */
  readonly policy: string;
}

/** Throws an {@link EnvironmentFault} if it is not built, and can not be. */
export async function dashboardPage(): Promise<DashboardPage> {
  const html = await readFile(BUILT, 'utf8').catch(build);
  const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html) ?? [];
  if (policy === undefined) throw new EnvironmentFault('the page has no Content-Security-Policy: build it again');
  // This one only holds as a header.
  return { html, policy: `${policy}; frame-ancestors 'none'` };
}

async function build(): Promise<string> {
  try {
    const { buildDashboard } = (await import(BUILDER.href)) as { buildDashboard(): Promise<string> };
    return await buildDashboard();
  } catch (error) {
    throw new EnvironmentFault(`the page can not be built: ${error instanceof Error ? error.message : error}`);
  }
}
