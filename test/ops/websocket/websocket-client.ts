const WAIT_MS_MAX = 30_000;

export interface Told {
  readonly ev?: string;
  readonly ref?: unknown;
  readonly [field: string]: unknown;
}

/** The WebSocket client that Node has, and a browser, too. */
export class SocketClient {
  readonly heard: Told[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #socket: WebSocket;
  #wake: (() => void)[] = [];
  #isClosed = false;
  #refs = 0;

  /** @param protocols that it offers, as a page would */
  static async connect(port: number, protocols: string[] = []): Promise<SocketClient> {
    const client = new SocketClient(new WebSocket(`ws://127.0.0.1:${port}`, protocols));
    await new Promise<void>((resolve, reject) => {
      client.#socket.onopen = () => resolve();
      client.#socket.onerror = () => reject(new Error('it did not open'));
    });
    return client;
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      this.heard.push(JSON.parse(String(data)) as Told);
      for (const wake of this.#wake.splice(0)) wake();
    };
    this.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason }) => {
        this.#isClosed = true;
        for (const wake of this.#wake.splice(0)) wake();
        resolve({ code, reason });
      };
    });
  }

  /** Of those it offered. */
  get protocol(): string {
    return this.#socket.protocol;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  raw(data: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(data);
  }

  /** Sends a message and gives what answers it. */
  async ask(message: object): Promise<Told> {
    const ref = `ref ${++this.#refs}`;
    this.send({ ref, ...message });
    return this.next((told) => told.ref === ref);
  }

  async next(fits: (told: Told) => boolean): Promise<Told> {
    const until = performance.now() + WAIT_MS_MAX;
    for (;;) {
      const found = this.heard.find(fits);
      if (found !== undefined) return found;
      if (this.#isClosed) throw new Error(`closed; heard ${JSON.stringify(this.heard.slice(-5))}`);
      if (performance.now() > until) throw new Error(`it did not come; heard ${JSON.stringify(this.heard.slice(-5))}`);
      await Promise.race([
        new Promise<void>((resolve) => this.#wake.push(resolve)),
        new Promise((resolve) => setTimeout(resolve, 200)),
      ]);
    }
  }

  close(): void {
    this.#socket.close();
  }
}
