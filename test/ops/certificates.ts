import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './run-veritape.ts';

/** Paths of a certificate and its key. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** An authority that exists for a test, and what it signs. */
export class Authority {
  readonly folder = temporaryFolder();
  readonly certificate = join(this.folder, 'authority.pem');
  readonly #key = join(this.folder, 'authority.key');

  constructor() {
    openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-days',
      '2',
      '-subj',
      '/CN=authority',
      '-keyout',
      this.#key,
      '-out',
      this.certificate,
    );
  }

  sign(name: string): Certified {
    const [key, request, cert] = ['key', 'csr', 'pem'].map((ending) => join(this.folder, `${name}.${ending}`)) as [
      string,
      string,
      string,
    ];
    openssl('req', ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', key, '-out', request);
    const names = join(this.folder, `${name}.names`);
    writeFileSync(names, `subjectAltName=DNS:${name}`);
    const authority = ['-CA', this.certificate, '-CAkey', this.#key, '-CAcreateserial'];
    openssl('x509', '-req', '-in', request, ...authority, '-days', '2', '-extfile', names, '-out', cert);
    return { cert, key };
  }
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
