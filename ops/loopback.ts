import { isIPv4 } from 'node:net';

/** Whether nobody but programs on this host can reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
