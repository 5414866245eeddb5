import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkIdentity, writeAccessFile, writeWhole } from '../access/access-file.ts';
import { natsConfiguration } from '../access/nats-configuration.ts';
import type { Identity } from '../access/roles.ts';
import { makeSeedFile } from '../access/seed-file.ts';

/** Who hands over, where a drill does. */
export const OPERATOR = 'ops';
/** Who tries to act for others. */
export const INTRUDER = 'intruder';
/** Of the intruder, which may act for this account alone. */
export const INTRUDER_ACCOUNT = 900_000;
const SHARD = 0;
/** The server's own arguments say where it listens. */
const ANY_PORT = '127.0.0.1:0';

/** Keys and rights of all who take part in a drill, as `veritape access` writes them. */
export class DrillIdentities {
  /** What the NATS server is to let in, and let do. */
  readonly configuration: string;
  /** The same as a file. */
  readonly configurationFile: string;
  readonly #folder: string;

  /**
   * Makes keys and files in a folder, which must be new.
   * @param servers names of the processes of the venue
   * @param role of these: nodes of a cluster have a log to keep
   */
  constructor(folder: string, servers: readonly string[], role: 'venue' | 'node', accounts: readonly number[]) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    const identities: Identity[] = [];
    const add = (identity: Omit<Identity, 'key'>): void => {
      const key = makeSeedFile(this.seedFile(identity.name), identity.name);
      identities.push(checkIdentity({ ...identity, key }, identities));
    };
    for (const name of servers) add({ name, role });
    for (const account of accounts) add({ name: clientName(account), role: 'client', accounts: [account] });
    add({ name: OPERATOR, role: 'operator' });
    add({ name: INTRUDER, role: 'client', accounts: [INTRUDER_ACCOUNT] });
    const access = { shards: [SHARD], identities };
    writeAccessFile(join(folder, 'access.json'), access);
    this.configuration = natsConfiguration(access, { listen: ANY_PORT });
    this.configurationFile = join(folder, 'nats.conf');
    writeWhole(this.configurationFile, this.configuration);
  }

  seedFile(name: string): string {
    return join(this.#folder, `${name}.nk`);
  }

  /** Of the client that acts for an account. */
  seedFileOf(account: number): string {
    return this.seedFile(clientName(account));
  }
}

/** The identity that acts for an account. */
export function clientName(account: number): string {
  return `client-${account}`;
}
