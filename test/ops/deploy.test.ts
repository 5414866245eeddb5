import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { freePort, type OwnNatsServer, startNatsServer } from '../../ops/nats-server.ts';
import { linesOf, ROOT, removeTemporaryFolders, shell, temporaryFolder } from './run-veritape.ts';

const UNITS = join(ROOT, 'deploy', 'systemd');
const LOGGED_MS_MAX = 60_000;
const END_MS_MAX = 45_000;
/** `systemd-analyze security` of systemd 252 finds 17, and 15 where the units run. */
const EXPOSURE_TENTHS_MAX = 20;
/** Of `serve` and `follow`: small, so that they start soon. */
const SMALL = { VERITAPE_SERVE_SEGMENT_BYTES: '4194304', VERITAPE_FOLLOW_SEGMENT_BYTES: '4194304' };
/** No server that lives is kept waiting for so long that a standby takes over. */
const PATIENT = { VERITAPE_SERVE_LEASE_MS: '20000' };

const units = readdirSync(UNITS).filter((name) => /\.(service|timer)$/.test(name));
const analyze = spawnSync('systemd-analyze', ['--version']).status === 0;
/** As a container has its own. */
const UNSHARE = 'unshare --user --map-root-user --pid --fork --kill-child --mount-proc';
const namespaces = spawnSync(`${UNSHARE} true`, { shell: true }).status === 0;

let nats: OwnNatsServer | undefined;
const running: ChildProcess[] = [];

afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  await nats?.stop();
});
afterAll(removeTemporaryFolders);

/** A file of the project with folders of this test in place of those of a host. */
function placed(file: string, host: string, port = 4222): string {
  return readFileSync(join(ROOT, 'deploy', file), 'utf8')
    .replaceAll('/opt/veritape/node_modules', join(ROOT, 'node_modules'))
    .replaceAll('/etc/veritape', join(host, 'etc'))
    .replaceAll('/var/lib/veritape', join(host, 'lib'))
    .replaceAll('/var/backups/veritape', join(host, 'backups'))
    .replaceAll('4222', String(port));
}

(analyze ? test : test.skip)('systemd finds nothing wrong with the units', () => {
  const folder = temporaryFolder();
  for (const unit of units) writeFileSync(join(folder, unit), placed(`systemd/${unit}`, folder));
  const files = units.map((unit) => join(folder, unit));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], {
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
});

(analyze ? test : test.skip)('systemd finds little that the units leave open', () => {
  const root = temporaryFolder();
  const folder = join(root, 'etc', 'systemd', 'system');
  mkdirSync(folder, { recursive: true });
  for (const unit of units) writeFileSync(join(folder, unit), readFileSync(join(UNITS, unit)));
  const services = units.filter((name) => name.endsWith('.service')).map((name) => name.replace('@.', '@a.'));
  const args = ['security', '--offline=yes', `--root=${root}`, `--threshold=${EXPOSURE_TENTHS_MAX}`, '--no-pager'];
  const { status, stdout } = spawnSync('systemd-analyze', [...args, ...services], { encoding: 'utf8' });
  expect(stdout.match(/Overall exposure level for/g)).toHaveLength(services.length);
  expect({ status, stdout }).toMatchObject({ status: 0 });
});

test('nothing runs as root, gains privileges, or writes but to its own folder', () => {
  const services = units.filter((name) => name.endsWith('.service'));
  expect(services).toHaveLength(5);
  for (const name of services) {
    const lines = readFileSync(join(UNITS, name), 'utf8').split('\n');
    const said = ['User=veritape', 'Group=veritape', 'UMask=0027', 'NoNewPrivileges=yes', 'CapabilityBoundingSet='];
    const closed = ['ProtectSystem=strict', 'ProtectHome=yes', 'PrivateTmp=yes', 'PrivateDevices=yes'];
    const restricted = [
      'RestrictNamespaces=yes',
      'RestrictSUIDSGID=yes',
      'RestrictRealtime=yes',
      'LockPersonality=yes',
    ];
    for (const line of [...said, ...closed, ...restricted])
      expect([name, lines]).toEqual([name, expect.arrayContaining([line])]);
    // Neither the plus of systemd's full privileges, nor a shell.
    const started = lines.filter((line) => line.startsWith('Exec'));
    for (const line of started) expect(line).toMatch(/^Exec(Start|Reload)=\/(opt\/veritape|bin\/kill)/);
    const places = lines.filter((line) => line.startsWith('ReadWritePaths='));
    expect(places).toEqual([
      `ReadWritePaths=${name === 'veritape-backup.service' ? '/var/backups/veritape' : '/var/lib/veritape'}`,
    ]);
  }
  const container = readFileSync(join(ROOT, 'deploy', 'Containerfile'), 'utf8').split('\n');
  const user = container.lastIndexOf('USER 10001:10001');
  expect(user).toBeGreaterThan(container.findLastIndex((line) => line.startsWith('COPY')));
  expect(container.slice(user).some((line) => line.startsWith('RUN'))).toBe(false);
});

test('what the units start runs as it stands there: a venue, a standby that takes over, a follower, a prover, a backup', async () => {
  nats = await startNatsServer();
  const { port } = nats;
  const host = temporaryFolder();
  for (const folder of ['etc', 'lib', 'backups']) mkdirSync(join(host, folder));
  writeFileSync(join(host, 'etc', 'veritape.toml'), placed('veritape.toml', host, port));
  let telemetry: Record<string, string> = {};
  const start = (unit: string): Started => {
    const [, line = ''] = /^ExecStart=(.*)$/m.exec(placed(`systemd/${unit}`, host, port)) ?? [];
    return new Started(line, { ...PATIENT, ...telemetry });
  };
  const telemetryPort = await freePort();
  telemetry = { VERITAPE_TELEMETRY: String(telemetryPort) };
  const primary = start('veritape-primary.service');
  telemetry = {};
  await primary.logged('ready');
  // The container's health check, on a venue that is well and on a port where nobody answers.
  const [program = '', ...args] = healthCheck(telemetryPort);
  expect(spawnSync(program, args).status).toBe(0);
  const [, ...nobody] = healthCheck(await freePort());
  expect(spawnSync(program, nobody).status).toBe(1);
  const standby = start('veritape-standby@.service');
  await standby.logged('standing by');
  const follower = start('veritape-follower.service');
  await follower.logged('caught up');
  const prover = start('veritape-prover.service');
  await prover.logged('ready');
  expect(await prover.stop()).toBe(143);
  expect(await primary.stop()).toBe(0);
  await standby.logged('ready');
  const backup = start('veritape-backup.service');
  expect(await backup.end()).toBe(0);
  expect(linesOf(backup.printed)).toMatchObject([{ complete: true, sequence: 3 }]);
  expect(await follower.stop()).toBe(0);
  expect(await standby.stop()).toBe(0);
});

(namespaces ? test : test.skip)(
  'a container beside a server that serves is refused, and serves when that one is gone',
  async () => {
    nats = await startNatsServer();
    const { port } = nats;
    const host = temporaryFolder();
    for (const folder of ['etc', 'lib']) mkdirSync(join(host, folder));
    writeFileSync(join(host, 'etc', 'veritape.toml'), placed('veritape.toml', host, port));
    const command = (unit: string): string =>
      /^ExecStart=(.*)$/m.exec(placed(`systemd/${unit}`, host, port))?.[1] ?? '';
    // Long enough for a server that a busy machine keeps waiting, and no longer than the last one is to wait.
    const primary = new Started(command('veritape-primary.service'), { VERITAPE_SERVE_LEASE_MS: '3000' });
    await primary.logged('ready');
    for (const unit of ['veritape-primary.service', 'veritape-standby@.service']) {
      const beside = new Started(`${UNSHARE} ${command(unit)}`, {});
      const code = await beside.end();
      const said = expect.stringMatching(/is written by process \d+ of another PID namespace/);
      expect({ unit, code, said: beside.said }).toEqual({ unit, code: 3, said });
    }
    expect(primary.said).not.toContain('took the journal over');
    await primary.kill();
    await new Started(`${UNSHARE} ${command('veritape-standby@.service')}`, {}).logged('ready');
  },
);

function healthCheck(port: number): string[] {
  const [, command = ''] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(placed('Containerfile', '', port)) ?? [];
  return (JSON.parse(command) as string[]).map((part) => part.replace('9464', String(port)));
}

/** The command of a unit, as systemd runs it: no shell. */
class Started {
  printed = '';
  said = '';
  readonly #ended: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(line: string, env: Record<string, string>) {
    const [program = '', ...args] = line.split(' ');
    this.#child = spawn(program, args, {
      env: { ...process.env, ...SMALL, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(this.#child);
    this.#child.stdout?.on('data', (text: Buffer) => {
      this.printed += text.toString();
    });
    this.#child.stderr?.on('data', (text: Buffer) => {
      this.said += text.toString();
    });
    this.#ended = once(this.#child, 'close').then(([code]) => code as number | null);
  }

  async logged(msg: string): Promise<void> {
    for (const until = performance.now() + LOGGED_MS_MAX; !this.said.includes(`"msg":"${msg}"`); await pause(20))
      if (performance.now() > until || this.#child.exitCode !== null) throw new Error(`no "${msg}": ${this.said}`);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.end();
  }

  /** Its code; null if it had to be killed. */
  async end(): Promise<number | null> {
    const stuck = setTimeout(() => this.#child.kill('SIGKILL'), END_MS_MAX);
    return await this.#ended.finally(() => clearTimeout(stuck));
  }
}

test('units of servers are hardened alike, and come back after what may pass', () => {
  const others = ['veritape-backup.service', 'veritape-prover.service'];
  const servers = units.filter((name) => name.endsWith('.service') && !others.includes(name));
  const restOf = (unit: string): string[] =>
    readFileSync(join(UNITS, unit), 'utf8')
      .split('\n')
      .filter((line) => !/^(#|Description=|ExecStart=|Restart=)/.test(line));
  const rest = servers.map(restOf);
  expect(rest).toEqual(servers.map(() => rest[0]));
  expect(rest[0]).toEqual(
    expect.arrayContaining([
      ...['NoNewPrivileges=yes', 'ProtectSystem=strict', 'PrivateTmp=yes', 'CapabilityBoundingSet=', 'User=veritape'],
      ...['ProtectProc=invisible', 'SystemCallFilter=@system-service', 'SystemCallErrorNumber=EPERM'],
      ...['RestartPreventExitStatus=1 2', 'LimitMEMLOCK=infinity'],
    ]),
  );
  const restarts = servers.map((unit) => [unit, /^Restart=(.*)$/m.exec(placed(`systemd/${unit}`, ''))?.[1]]);
  // After a hand-over a server ends with 0: under systemd it comes back as a standby, or none would be left.
  expect(restarts).toEqual([
    ['veritape-follower.service', 'on-failure'],
    ['veritape-primary.service', 'on-failure'],
    ['veritape-standby@.service', 'always'],
  ]);
  // What a prover may touch is no more.
  const places = (lines: readonly string[]): readonly string[] => lines.slice(lines.indexOf('StateDirectory=veritape'));
  expect(places(restOf('veritape-prover.service'))).toEqual(places(rest[0] ?? []));
});

test('the container file: parts that are there, packages of the registry alone, not root', () => {
  const text = readFileSync(join(ROOT, 'deploy', 'Containerfile'), 'utf8');
  const steps = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', '')
    .split('\n')
    .filter((line) => line !== '');
  const of = (name: string): string[] =>
    steps.filter((step) => step.startsWith(`${name} `)).map((step) => step.slice(name.length + 1));
  const known = [
    'FROM',
    'WORKDIR',
    'COPY',
    'RUN',
    'ENV',
    'USER',
    'VOLUME',
    'STOPSIGNAL',
    'HEALTHCHECK',
    'ENTRYPOINT',
    'CMD',
  ];
  expect(steps.filter((step) => !known.includes(step.split(' ')[0] ?? ''))).toEqual([]);
  for (const step of of('RUN')) {
    expect(shell('bash -n', step)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(step).not.toMatch(/:\/\/|apt|curl|wget|git /);
  }
  expect(of('FROM')).toEqual([
    'docker.io/library/node:24-bookworm-slim AS build',
    'docker.io/library/node:24-bookworm-slim',
  ]);
  expect(of('COPY')).toEqual(['. .', '--from=build /opt/veritape /opt/veritape']);
  expect(of('USER')).toEqual(['10001:10001']);
  expect(steps.indexOf('USER 10001:10001')).toBeGreaterThan(steps.findLastIndex((step) => step.startsWith('RUN ')));
  // So that `docker exec venue veritape` is found.
  expect(of('ENV')).toContain('PATH=/opt/veritape/node_modules/.bin:$PATH');
  // The same command as systemd's.
  const [entry = ''] = of('ENTRYPOINT');
  expect(readFileSync(join(UNITS, 'veritape-primary.service'), 'utf8')).toContain(
    `ExecStart=${(JSON.parse(entry) as string[]).join(' ')} serve`,
  );
  const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
  expect(ignored).toEqual(expect.arrayContaining(['.git', 'node_modules', 'dist']));
});
