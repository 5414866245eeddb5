import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Points } from './points.ts';

/** Files with certificates that a process shows to others (PEM, its own one first), by what they are shown for. */
export type CertificateFiles = Readonly<Partial<Record<'telemetry' | 'listener' | 'nats', string>>>;

/** For how long the certificates of a process are still valid: those that its files held at its start, as it goes on to show them. */
export class CertificateWatch {
  readonly #validUntilMs: readonly (readonly [certificate: string, atMs: number])[];

  /** Passes over what is no certificate: whoever is to show it refuses that. */
  constructor(files: CertificateFiles) {
    this.#validUntilMs = Object.entries(files).flatMap(([certificate, file]) => {
      try {
        return [[certificate, Date.parse(new X509Certificate(readFileSync(file)).validTo)] as const];
      } catch {
        return [];
      }
    });
  }

  addTo(points: Points, nowMs: number): void {
    for (const [certificate, atMs] of this.#validUntilMs)
      points.add('veritape.certificate.remaining', (atMs - nowMs) / 1000, { certificate });
  }
}
