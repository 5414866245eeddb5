import { type CertificateFiles, CertificateWatch } from './certificate-watch.ts';
import type { Described, Readings } from './figures.ts';
import { type FolderMarks, FolderWatch } from './folder-watch.ts';
import { NatsWatch } from './nats-watch.ts';
import { ProcessWatch } from './process-watch.ts';
import { describe, readAll, type Watched, type Watches } from './readings.ts';

export interface TelemetryOptions {
  /** Of the venue or the copy; undefined for a process that has none. */
  readonly directory: string | undefined;
  /** Folder of its backup; undefined if nobody is to be told of it. */
  readonly backup?: string | undefined;
  readonly certificates?: CertificateFiles | undefined;
  readonly version: string;
  readonly watched: Watched;
}

/** Watches a process for as long as it runs, whatever its role is meanwhile, and reads all that is known of it. */
export class Telemetry {
  readonly #version: string;
  readonly #startedAtMs = Date.now() - Math.round(process.uptime() * 1000);
  readonly #process: ProcessWatch;
  readonly #folder: FolderWatch | undefined;
  readonly #certificates: CertificateWatch;
  readonly #takeOvers = new Map<string, number>();
  #nats: NatsWatch | undefined;
  #watched: Watched;
  #roles = 0;

  constructor({ directory, backup, certificates, version, watched }: TelemetryOptions) {
    this.#version = version;
    this.#watched = watched;
    this.#process = new ProcessWatch(async () => (await this.#watched.venue?.watch.heaps()) ?? []);
    this.#folder = directory === undefined ? undefined : new FolderWatch(directory, backup);
    this.#certificates = new CertificateWatch(certificates ?? {});
    this.watch({});
  }

  /** The process is something else from here on. */
  watch(watched: Partial<Watched>): void {
    this.#watched = { ...this.#watched, ...watched };
    this.#roles++;
    const { why } = watched.takeOver ?? {};
    if (why !== undefined) this.#takeOvers.set(why, (this.#takeOvers.get(why) ?? 0) + 1);
    // Processor and kernel count from the first time that they are asked.
    this.#watched.venue?.threadCounters();
    this.#watchConnection();
  }

  /** How often the process became something else. */
  get roles(): number {
    return this.#roles;
  }

  readings(): Readings {
    this.#watchConnection();
    return readAll(this.#watched, this.#watches);
  }

  /** What the process is, without its numbers. */
  described(): Described {
    return describe(this.#watched, this.#version, this.#nats);
  }

  /** What lies in its folder along its sequence; undefined if it has none, or nobody has looked yet. */
  get folderMarks(): FolderMarks | undefined {
    return this.#folder?.marks;
  }

  /** What the process is now. */
  get watched(): Watched {
    return this.#watched;
  }

  /** Why it can not go on; it is then about to end. */
  get failure(): string | undefined {
    return this.#watched.venue?.failure?.message;
  }

  /** Looks at the folder at once. */
  async lookAtFolder(): Promise<void> {
    await this.#folder?.look();
  }

  close(): void {
    this.#process.close();
    this.#folder?.close();
    this.#nats?.close();
  }

  get #watches(): Watches {
    return {
      process: this.#process,
      folder: this.#folder,
      certificates: this.#certificates,
      nats: this.#nats,
      version: this.#version,
      startedAtMs: this.#startedAtMs,
      takeOvers: this.#takeOvers,
    };
  }

  #watchConnection(): void {
    const connection = this.#watched.connection ?? this.#watched.venue?.watch.connection;
    if (connection === undefined || connection === this.#nats?.connection) return;
    this.#nats?.close();
    this.#nats = new NatsWatch(connection);
  }
}
