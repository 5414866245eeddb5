import { rmSync } from 'node:fs';
import { pino } from 'pino';
import { FixGatewayConfig } from '../../../ops/fix/fix-config.ts';
import { FixGateway, type FixGatewayOptions } from '../../../ops/fix/fix-gateway.ts';
import { natsConnectionOptions } from '../../../ops/nats-server.ts';
import { temporaryFolder } from '../../journal/temporary-journal.ts';
import { LIMITS, Market, SHARD } from '../../sequencer/venue-on-nats.ts';
import { until } from '../../until.ts';
import { FixPeer, type PeerOptions } from './fix-peer.ts';

export const CONFIG = {
  compId: 'VERITAPE',
  sendingTimeSkewSeconds: 60,
  instruments: {
    ACME: { tick: '0.05', lot: '1' },
    // A cent is ten units.
    PAID: { tick: '0.05', unit: '0.001', currency: 'USDT' },
    '*': { tick: '1' },
  },
  clients: [
    { compId: 'FIRM7', username: 'firm', password: 'a password of some length', accounts: [7] },
    { compId: 'FIRM8', username: 'firm', password: 'a password of some length', accounts: [8, 9] },
    { compId: 'FIRM10', password: 'a password of some length', accounts: [10] },
  ],
};

/** A venue on NATS with a FIX gateway, in this process. */
export class FixMarket {
  readonly market: Market;
  readonly directory = temporaryFolder();
  readonly log: { readonly msg: string; readonly [field: string]: unknown }[] = [];
  readonly #peers: FixPeer[] = [];
  #gateway: FixGateway | undefined;

  static async open(options: Partial<FixGatewayOptions> = {}): Promise<FixMarket> {
    const market = await Market.open({ limits: { ...LIMITS, accountsMax: 32, balancesMax: 64 } });
    const session = await market.venue.openSession(0, 1);
    await session.send([
      { op: 'instrumentCreate', account: 0, symbol: 0, name: 'ACME', priceMax: 1_000_000 },
      { op: 'instrumentCreate', account: 0, symbol: 1, name: 'OTHER' },
    ]);
    const opened = new FixMarket(market);
    await opened.openGateway(options);
    return opened;
  }

  private constructor(market: Market) {
    this.market = market;
  }

  get gateway(): FixGateway {
    if (this.#gateway === undefined) throw new Error('the gateway is closed');
    return this.#gateway;
  }

  async openGateway(options: Partial<FixGatewayOptions> = {}): Promise<void> {
    const log = pino({ level: 'info' }, { write: (line: string) => void this.log.push(JSON.parse(line)) });
    this.#gateway = await FixGateway.open({
      ...{ config: new FixGatewayConfig(CONFIG), directory: this.directory, shard: SHARD, host: '127.0.0.1', port: 0 },
      ...{
        nats: { connection: natsConnectionOptions(this.market.nats.url), identity: undefined },
        tls: undefined,
        connectionsMax: 16,
        snapshotEvery: 0,
        log,
      },
      ...options,
    });
  }

  async closeGateway(): Promise<void> {
    await this.#gateway?.close();
    this.#gateway = undefined;
  }

  async peer(options: Partial<PeerOptions> = {}): Promise<FixPeer> {
    const peer = await FixPeer.connect({ port: this.gateway.port, ...options });
    this.#peers.push(peer);
    return peer;
  }

  /** Resolves when the gateway knows that nobody is logged on as a client. */
  async isFree(compId: string): Promise<void> {
    const clients = (): ReturnType<FixGateway['status']>['clients'] => this.gateway.status().clients;
    const isFree = (): boolean => !clients().some(({ peer, loggedOn }) => peer === compId && loggedOn);
    await until(`${compId} is not logged on`, isFree, { seen: clients, lookMs: 2 });
  }

  /** Ends all peers. */
  async endPeers(): Promise<void> {
    for (const peer of this.#peers.splice(0)) {
      peer.end();
      await peer.closed;
    }
    for (const { compId } of CONFIG.clients) {
      await this.isFree(compId);
      const mine = () => this.gateway.status().clients.find(({ peer }) => peer === compId);
      await until(`nothing of ${compId} is under way`, () => mine()?.pending === 0, { seen: mine, lookMs: 2 });
      if (mine()?.unwritten === 0) continue;
      // What is still for an earlier peer would be heard by the next one.
      const peer = await this.loggedOn(compId);
      await peer.settled();
      peer.end();
      await peer.closed;
      await this.isFree(compId);
    }
    this.#peers.splice(0);
  }

  /** A peer that is logged on, with numbers from 1. */
  async loggedOn(compId = 'FIRM7', options: Partial<PeerOptions> = {}): Promise<FixPeer> {
    await this.isFree(compId);
    const peer = await this.peer({ compId, ...options });
    const answer = await peer.logon({ 141: 'Y' });
    if (answer.type !== 'A') throw new Error(`no logon: ${answer.raw}`);
    return peer;
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.end();
    await this.closeGateway();
    await this.market.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
