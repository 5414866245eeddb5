/**
 * Where a worker thread starts: `new Worker(threadEntry(import.meta.url, './journal-thread'))`. The build rewrites the
 * endings of imports but not those in URLs, so the ending follows the caller's own: .ts in a checkout, .js when built.
 */
export function threadEntry(callerUrl: string, path: string): URL {
  return new URL(`${path}.${callerUrl.endsWith('.ts') ? 'ts' : 'js'}`, callerUrl);
}
