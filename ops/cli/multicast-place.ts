import { isIPv4 } from 'node:net';
import { InvalidArgumentError } from 'commander';
import { checkMulticast, type MulticastOptions } from '../../sequencer/datagram-sender.ts';

/** Reads ADDRESS:PORT. */
export function multicastPlace(text: string): Pick<MulticastOptions, 'address' | 'port'> {
  const [, address = '', port = ''] = /^([^:]+):(\d{1,5})$/.exec(text) ?? [];
  try {
    checkMulticast({ address, port: Number(port) });
  } catch {
    throw new InvalidArgumentError(
      'It must be the IPv4 address of a multicast group or of one host, a colon, and a port from 1 to 65535.',
    );
  }
  return { address, port: Number(port) };
}

/** Reads the address of an interface. */
export function interfaceAddress(text: string): string {
  if (isIPv4(text)) return text;
  throw new InvalidArgumentError('It must be the IPv4 address of an interface of this host.');
}
