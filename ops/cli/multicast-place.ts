import { isIPv4 } from 'node:net';
import { checkMulticast, type MulticastOptions } from '../../sequencer/datagram-sender.ts';
import { type Parser, parser } from './arguments.ts';

/** Reads ADDRESS:PORT. */
export const multicastPlace: Parser<Pick<MulticastOptions, 'address' | 'port'>> = parser(
  'the IPv4 address of a multicast group or of one host, a colon, and a port from 1 to 65535',
  (text) => {
    const [, address = '', port = ''] = /^([^:]+):(\d{1,5})$/.exec(text) ?? [];
    try {
      checkMulticast({ address, port: Number(port) });
    } catch {
      return undefined;
    }
    return { address, port: Number(port) };
  },
);

/** Reads the address of an interface. */
export const interfaceAddress: Parser<string> = parser('the IPv4 address of an interface of this host', (text) =>
  isIPv4(text) ? text : undefined,
);
