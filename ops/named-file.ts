import { X509Certificate } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { UsageError } from './exit-codes.ts';

/** Files that people name are small; a device or a disk image named by mistake is not read into memory. */
const FILE_BYTES_MAX = 1 << 20;
/** Permissions of the group and of everybody else. */
const OTHERS = 0o077;

export interface NamedFile {
  readonly text: string;
  /** The bits of its permissions; 0 where the system has none. */
  readonly mode: number;
}

/**
 * Reads a file that somebody named for a setting: a regular one, of a mebibyte at most. Its permissions are those of the very
 * file that was read. Throws a {@link UsageError} that tells nothing of the contents. `field` is the option that named it.
 */
export function readNamedFile(file: string, field: string): NamedFile {
  return readFile(file, field, FILE_BYTES_MAX, 0);
}

/** The same of a file that was found in a folder that somebody named: it is no link, and may be longer. */
export function readFoundFile(file: string, field: string, bytesMax: number): NamedFile {
  return readFile(file, field, bytesMax, constants.O_NOFOLLOW ?? 0);
}

function readFile(file: string, field: string, bytesMax: number, flags: number): NamedFile {
  let descriptor: number;
  try {
    // A pipe without a writer would keep the process waiting.
    descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | flags);
  } catch (error) {
    throw new UsageError(field, file, (error as Error).message);
  }
  try {
    const { mode, size } = fstatSync(descriptor);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw new UsageError(field, file, 'it must be a regular file');
    if (size > bytesMax) throw new UsageError(field, file, `has ${size} bytes, and such a file at most ${bytesMax}`);
    const bytes = Buffer.alloc(size);
    let read = 0;
    for (let more = -1; more !== 0 && read < size; read += more)
      more = readSync(descriptor, bytes, read, size - read, read);
    return { text: bytes.toString('utf8', 0, read), mode: process.platform === 'win32' ? 0 : mode & 0o777 };
  } finally {
    closeSync(descriptor);
  }
}

/** Reads a file that nobody but its owner may read or write. */
export function readSecret(file: string, field: string): string {
  const { text, mode } = readNamedFile(file, field);
  refuseOthers(file, field, mode);
  return text;
}

/** Reads a file of certificates (PEM). */
export function readCertificate(file: string, field: string): string {
  const { text } = readNamedFile(file, field);
  try {
    new X509Certificate(text);
  } catch {
    throw new UsageError(field, file, 'must hold a certificate in PEM');
  }
  return text;
}

/** Reads the private key of a certificate that {@link readCertificate} has read. */
export function readPrivateKey(file: string, field: string, cert: string): string {
  const key = readSecret(file, field);
  try {
    createSecureContext({ cert, key });
  } catch {
    throw new UsageError(field, file, 'must hold the private key of the certificate in PEM, without a passphrase');
  }
  return key;
}

/** For a file that turned out to hold a secret. */
export function refuseOthers(file: string, field: string, mode: number): void {
  if ((mode & OTHERS) !== 0) throw new UsageError(field, file, 'others than its owner may read or write it: chmod 600');
}

/** What JSON says. The parser's own message repeats a part of the text, which may be of a secret, and is not told. */
export function parseJson(text: string, file: string, field: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const [, at] = /at position (\d+)/.exec((error as Error).message) ?? [];
    const line = at === undefined ? undefined : text.slice(0, Number(at)).split('\n').length;
    throw new UsageError(field, file, 'must be a JSON file', line);
  }
}
