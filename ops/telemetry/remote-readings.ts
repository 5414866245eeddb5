import { type Parser, parser } from '../cli/arguments.ts';
import { EnvironmentFault } from '../exit-codes.ts';
import type { Readings } from './figures.ts';

const ANSWER_MS_MAX = 5_000;
const UNAUTHORIZED = 401;

/** Where the --telemetry of a process is, as people write it. */
export const readingsUrl: Parser<URL> = parser(
  'HOST:PORT, PORT, or a URL that begins with http:// or https://',
  (text) => {
    const url = URL.parse(
      /^https?:\/\//.test(text) ? text : `http://${/^\d+$/.test(text) ? `127.0.0.1:${text}` : text}`,
    );
    return url === null ? undefined : new URL('/readings', url);
  },
);

/**
 * What a running process knows of itself. Throws an {@link EnvironmentFault}; its cause is the system's, if there was no answer.
 */
export async function fetchReadings(
  place: URL,
  { token, answerMsMax = ANSWER_MS_MAX }: { readonly token?: string | undefined; readonly answerMsMax?: number } = {},
): Promise<Readings> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  let response: Response;
  let body: string;
  try {
    response = await fetch(place, { headers, signal: AbortSignal.timeout(answerMsMax) });
    body = await response.text();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new EnvironmentFault(
      `${place.host} does not answer: ${whyNot(cause)}. Is it the --telemetry of a process that runs?`,
      { cause },
    );
  }
  if (response.status === UNAUTHORIZED)
    throw new EnvironmentFault(`${place.host} answers with status 401: it wants the token of its --telemetry-token`);
  if (!response.ok) throw new EnvironmentFault(`${place.host} answers with status ${response.status}`);
  const readings = readingsIn(body);
  if (readings === undefined)
    throw new EnvironmentFault(`${place.host} answers, but with no readings: it is not the --telemetry of a process`);
  return readings;
}

/** Tells what is of this program from what is of any other; what is in it is taken as it comes. */
function readingsIn(body: string): Readings | undefined {
  try {
    const readings = JSON.parse(body) as Readings;
    const isWhole = [readings.described, readings.metrics].every((part) => typeof part === 'object' && part !== null);
    return isWhole ? readings : undefined;
  } catch {
    return undefined;
  }
}

/** In one line: OpenSSL's own has the place in its sources, and a line break. */
function whyNot(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.message.includes('wrong version number')) return 'it speaks no TLS, so its address begins with http://';
  return cause.message.trim();
}
