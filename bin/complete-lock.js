import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * node bin/complete-lock.js [FOLDER]
 *
 * Enters into package-lock.json the platform packages that its packages name as optional and that the registry in use
 * does not have: npm leaves them out, and then `npm ci` refuses its own lock. They are never fetched but on their own
 * platform, so version, system and processor are all an entry needs. Run it by `npm run lock`.
 */

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];

const file = join(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)), 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
for (const [place, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(place, name)) continue;
    lock.packages[`node_modules/${name}`] = {
      version,
      ...platformOf(name),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
    };
    process.stdout.write(`added ${name} ${version}\n`);
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries(sorted);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);

/** Looks where Node would look from `place`: in its own node_modules, then in those above. */
function isLocked(place, name) {
  for (let from = place; ; from = from.slice(0, Math.max(0, from.lastIndexOf('node_modules/') - 1))) {
    if (lock.packages[from === '' ? `node_modules/${name}` : `${from}/node_modules/${name}`] !== undefined) return true;
    if (from === '') return false;
  }
}

/** `@scope/name-linux-arm64-musl` says it all. A name that does not is an error: its entry would install everywhere. */
function platformOf(name) {
  const parts = name.slice(name.indexOf('/') + 1).split('-');
  const at = parts.findIndex((part) => SYSTEMS.includes(part));
  const [system, processor, abi] = parts.slice(at);
  if (at < 0 || processor === undefined) throw new Error(`${name} does not tell its platform: enter it by hand`);
  const libc = system === 'linux' && abi !== undefined ? { libc: [abi.startsWith('musl') ? 'musl' : 'glibc'] } : {};
  return { cpu: [processor], os: [system], ...libc };
}
