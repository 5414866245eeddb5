import { connect, type Server, type Socket } from 'node:net';

// Runs in a host's network namespace. It is sent listening sockets of the outside, and joins whoever connects to one of
// them with a server that this host can reach. Ends with its parent.

process.on('message', ({ address, port }: { address: string; port: number }, server: Server) => {
  server.on('connection', (near: Socket) => {
    const far = connect({ host: address, port, noDelay: true });
    near.setNoDelay(true);
    near.pipe(far);
    far.pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => other.destroy());
    }
  });
  process.send?.('taken');
});
process.on('disconnect', () => process.exit());
