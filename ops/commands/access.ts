import { nkeys } from '@nats-io/transport-node';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { IDENTITY_PATTERN, IDENTITY_RULE } from '../../sequencer/principals.ts';
import { type AccessFile, checkIdentity, readAccessFile, writeAccessFile, writeWhole } from '../access/access-file.ts';
import { type Granted, grantsOf, natsConfiguration } from '../access/nats-configuration.ts';
import { hasAccounts, type Identity, ROLES, type Role } from '../access/roles.ts';
import { makeSeedFile } from '../access/seed-file.ts';
import { grouped, wholeNumber, withExamples } from '../cli/arguments.ts';
import { printResult } from '../cli/result.ts';
import { UsageError } from '../exit-codes.ts';
import { ClientTokens } from '../websocket/client-tokens.ts';

interface FileOption {
  readonly file: string;
  readonly json?: boolean;
}

interface AddOptions extends FileOption {
  readonly role: Role;
  readonly accounts?: readonly number[];
  readonly feed: readonly string[];
  readonly shards?: readonly number[];
  readonly seed?: string;
  readonly publicKey?: string;
}

interface ConfigOptions extends FileOption {
  readonly out: string;
  readonly listen: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly jetstream?: string;
}

interface TokenOptions {
  readonly account: number;
  readonly tokens: string;
  readonly json?: boolean;
}

const U32_MAX = 4_294_967_295;
const LISTEN_DEFAULT = '127.0.0.1:4222';

export function registerAccess(program: Command): void {
  const command = program
    .command('access')
    .description(
      'Keeps a file of who may do what, without secrets, and writes from it a configuration of nats-server in which nobody ' +
        'can act for, or read of, another account. Every action has --json.',
    );
  registerAdd(command);
  registerRemove(command);
  registerKey(command);
  registerShow(command);
  registerConfig(command);
  registerToken(command);
  withExamples(
    command,
    'veritape access add venue --role venue --seed venue.nk',
    'veritape access add alice --role client --accounts 7,8 --seed alice.nk',
    'veritape access config --out nats.conf && nats-server -c nats.conf',
  );
}

function action(command: Command, name: string, description: string): Command {
  return command
    .command(name)
    .description(description)
    .addOption(fileOption())
    .option('--json', 'print the result as one JSON object');
}

function fileOption(): Option {
  return new Option('--file <file>', 'the file of identities').env('VERITAPE_ACCESS').default('access.json');
}

function registerAdd(command: Command): void {
  const add = action(command, 'add', 'let somebody in: makes a key, or takes the public part of one')
    .argument('<name>', 'name of the identity', identityName)
    .addOption(new Option('--role <role>', 'what it is for').choices([...ROLES]).makeOptionMandatory())
    .addOption(
      new Option(
        '--accounts <numbers>',
        'client: accounts it acts for; drop copy: accounts it sees; such as 7,8',
      ).argParser(numbers),
    )
    .addOption(
      new Option('--feed <prefix>', 'follower: how the subjects of its market data begin; may be repeated')
        .default([])
        .argParser((feed: string, feeds: string[]) => [...feeds, feed]),
    )
    .addOption(
      new Option('--shards <numbers>', 'in a new file: shards of the venue; all unless given').argParser(numbers),
    )
    .addOption(
      new Option(
        '--seed <file>',
        'make a key, and keep its seed in this new file, which only its owner may read',
      ).conflicts('publicKey'),
    )
    .addOption(
      new Option('--public-key <key>', 'take this key: whoever it is made it (veritape access key) and keeps the seed'),
    )
    .action((name: string, options: AddOptions) => addIdentity(name, options));
  withExamples(
    add,
    'veritape access add alice --role client --accounts 7,8 --seed alice.nk',
    'veritape access add bank --role dropCopy --accounts 7,8 --public-key UDXU…',
  );
}

function registerRemove(command: Command): void {
  const remove = action(
    command,
    'remove',
    'let somebody in no more, once the configuration is written and loaded again',
  )
    .argument('<name>', 'name of the identity')
    .action((name: string, options: FileOption) => removeIdentity(name, options));
  withExamples(remove, 'veritape access remove alice && veritape access config --out nats.conf');
}

function registerKey(command: Command): void {
  const key = command
    .command('key')
    .description('make a key on the host of whom it is for, and print its public part')
    .argument('<name>', 'name of the identity', identityName)
    .requiredOption('--seed <file>', 'new file for the secret, which only its owner may read')
    .option('--json', 'print the result as one JSON object')
    .action((name: string, { seed, json }: { readonly seed: string; readonly json?: boolean }) => {
      const publicKey = makeSeedFile(seed, name);
      return printResult({ name, key: publicKey, seed }, json === true, () => publicKey);
    });
  withExamples(key, 'veritape access key alice --seed alice.nk');
}

function registerShow(command: Command): void {
  const show = action(command, 'show', 'print what each identity may publish and hear')
    .argument('[name]', 'one identity')
    .action((name: string | undefined, options: FileOption) => showIdentities(name, options));
  withExamples(show, 'veritape access show alice --json');
}

function registerConfig(command: Command): void {
  const config = action(command, 'config', 'write the configuration of the NATS server')
    .requiredOption('--out <file>', 'where to; a running server takes it up at nats-server --signal reload')
    .addOption(
      new Option('--listen <host:port>', 'where the server listens').default(LISTEN_DEFAULT).argParser(hostAndPort),
    )
    .addOption(new Option('--tls-cert <file>', 'certificate of the server; it then takes TLS only'))
    .addOption(new Option('--tls-key <file>', 'key of that certificate'))
    .addOption(new Option('--tls-client-ca <file>', 'clients need certificates of this authority'))
    .addOption(new Option('--jetstream <folder>', 'where the server keeps streams, for clusters'))
    .action((options: ConfigOptions) => writeConfiguration(options));
  withExamples(
    config,
    'veritape access config --out nats.conf --listen 0.0.0.0:4222 --tls-cert server.pem --tls-key server.key',
  );
}

function registerToken(command: Command): void {
  const token = command
    .command('token')
    .description(
      'make a token for a client of veritape websocket, and print it; the file keeps its SHA-256 only. Who takes a client out ' +
        'of the file, and sends the gateway SIGHUP, lets it in no more.',
    )
    .argument('<name>', 'what the log is to call the client')
    .requiredOption('--account <number>', 'account that it acts for; 0 for every account', wholeNumber(0, U32_MAX))
    .requiredOption('--tokens <file>', 'the file of clients, which is made if it is not there')
    .option('--json', 'print the result as one JSON object')
    .action((name: string, { account, tokens, json }: TokenOptions) => {
      const made = ClientTokens.add(tokens, { name, account });
      return printResult({ name, account, tokens, ...made }, json === true, () => made.token);
    });
  withExamples(token, 'veritape access token desk --account 7 --tokens clients.json');
}

function identityName(text: string): string {
  if (IDENTITY_PATTERN.test(text)) return text;
  throw new InvalidArgumentError(`It must be ${IDENTITY_RULE}.`);
}

function numbers(text: string): number[] {
  if (/^\d{1,10}(,\d{1,10})*$/.test(text)) return text.split(',').map(Number);
  throw new InvalidArgumentError('It must be whole numbers with commas between.');
}

function hostAndPort(text: string): string {
  const port = Number(text.slice(text.lastIndexOf(':') + 1));
  if (/^[\w.[\]:-]+:\d{1,5}$/.test(text) && port > 0 && port < 65_536) return text;
  throw new InvalidArgumentError('It must be host:port.');
}

async function addIdentity(name: string, options: AddOptions): Promise<void> {
  const { file, role, accounts, feed, shards, seed, publicKey } = options;
  const found = readAccessFile(file);
  if (found !== undefined && shards !== undefined)
    throw new UsageError('shards', shards.join(), `${file} is there already, and says for which shards it is`);
  const access = found ?? { shards: shards ?? [], identities: [] };
  if (seed === undefined && publicKey === undefined)
    throw new UsageError('seed', undefined, 'where to keep the secret; or give --public-key');
  const known: Omit<Identity, 'key'> = {
    name,
    role,
    ...(accounts === undefined ? {} : { accounts }),
    ...(feed.length === 0 ? {} : { feeds: feed }),
  };
  // Looked at before a key is made for nothing.
  checkIdentity({ ...known, key: publicKey ?? nkeys.createUser().getPublicKey() }, access.identities);
  const key = publicKey ?? makeSeedFile(seed ?? '', name);
  const identity = checkIdentity({ ...known, key }, access.identities);
  writeAccessFile(file, { ...access, identities: [...access.identities, identity] });
  await printResult({ ...identity, ...(seed === undefined ? {} : { seed }) }, options.json === true, () => {
    const kept = seed === undefined ? '' : `; its seed is in ${seed}`;
    return `${name}, ${role}, has the key ${key}${kept}`;
  });
}

async function removeIdentity(name: string, { file, json }: FileOption): Promise<void> {
  const access = readExisting(file);
  const identities = access.identities.filter((identity) => identity.name !== name);
  if (identities.length === access.identities.length)
    throw new UsageError('name', name, `no identity in ${file} has it`);
  writeAccessFile(file, { ...access, identities });
  await printResult({ removed: name, identities: identities.length }, json === true, () => {
    return `${name} is out of ${file}; write the configuration again and reload the server, which then ends its connections`;
  });
}

async function showIdentities(name: string | undefined, { file, json }: FileOption): Promise<void> {
  const grants = grantsOf(readExisting(file)).filter(({ identity }) => name === undefined || identity.name === name);
  if (name !== undefined && grants.length === 0) throw new UsageError('name', name, `no identity in ${file} has it`);
  const identities = grants.map(({ identity, ...permissions }) => ({ ...identity, ...permissions }));
  await printResult({ identities }, json === true, () => grants.map(described).join('\n'));
}

function described({ identity, publish, subscribe, answers }: Granted): string {
  const { name, role, accounts } = identity;
  const of = hasAccounts(role) && accounts !== undefined ? ` of accounts ${accounts.join(', ')}` : '';
  return [
    `${name}: ${role}${of}`,
    ...publish.map((subject) => `  publish    ${subject}`),
    ...subscribe.map((subject) => `  subscribe  ${subject}`),
    ...(answers ? ['  answers requests, once each'] : []),
  ].join('\n');
}

async function writeConfiguration(options: ConfigOptions): Promise<void> {
  const { file, out, listen, tlsCert, tlsKey, tlsClientCa, jetstream } = options;
  const access = readExisting(file);
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new UsageError(
      tlsCert === undefined ? 'tls-cert' : 'tls-key',
      undefined,
      'a certificate and its key go together',
    );
  if (tlsClientCa !== undefined && tlsCert === undefined)
    throw new UsageError('tls-client-ca', tlsClientCa, 'is of use only with --tls-cert');
  writeWhole(out, natsConfiguration(access, { listen, tlsCert, tlsKey, tlsClientCa, jetstream }));
  const { length } = access.identities;
  await printResult({ out, identities: length, listen, tls: tlsCert !== undefined }, options.json === true, () => {
    const tls = tlsCert === undefined ? ', without TLS' : '';
    return `${out} lets ${grouped(length)} identities in on ${listen}${tls}`;
  });
}

function readExisting(file: string): AccessFile {
  const access = readAccessFile(file);
  if (access !== undefined) return access;
  throw new UsageError('file', file, 'there is no such file: veritape access add makes it');
}
