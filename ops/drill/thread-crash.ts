import { waitUntil } from './drill-cluster.ts';
import type { VeritapeProcess } from './veritape-process.ts';

/** Arguments of Node for a process whose threads can be crashed: its inspector, once asked for, takes any free port. */
export const CRASHABLE = ['--inspect-port=127.0.0.1:0'];

const LISTEN_MS_MAX = 10_000;
const CRASH_MS_MAX = 10_000;
const INSPECTOR = /Debugger listening on (ws:\/\/\S+)/;

const CRASH = `Atomics.load = () => { throw new Error('crashed by a drill'); }; 0`;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: {
    readonly sessionId?: string;
    readonly message?: string;
    readonly workerInfo?: { readonly title?: string };
    readonly context?: { readonly id?: number };
  };
}

/**
 * Crashes one thread of a living process, as a fault in its code would: over Node's inspector, which SIGUSR1 opens, a
 * function that the thread calls all the time is replaced by one that throws. Resolves when that was done.
 */
export async function crashThread(process: VeritapeProcess, thread: string): Promise<void> {
  process.signal('SIGUSR1');
  await waitUntil(
    () => INSPECTOR.test(process.said),
    LISTEN_MS_MAX,
    () => 'the inspector did not listen',
  );
  const [, url = ''] = INSPECTOR.exec(process.said) ?? [];
  const socket = new WebSocket(url);
  let sent = 0;
  /** Number of the message that does it. */
  let crashing = -1;
  const send = (method: string, params: object): void => socket.send(JSON.stringify({ id: ++sent, method, params }));
  const sendTo = (sessionId: string, method: string, params: object): void =>
    send('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id: sent + 1, method, params }) });
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no thread "${thread}" could be crashed`)), CRASH_MS_MAX);
      socket.addEventListener('error', () => reject(new Error('the inspector ended the connection')));
      socket.addEventListener('open', () => send('NodeWorker.enable', { waitForDebuggerOnStart: false }));
      socket.addEventListener('message', ({ data }) => {
        const { method, params } = JSON.parse(String(data)) as Message;
        const session = params?.sessionId ?? '';
        if (method === 'NodeWorker.attachedToWorker' && params?.workerInfo?.title?.endsWith(thread) === true)
          sendTo(session, 'Runtime.enable', {});
        if (method !== 'NodeWorker.receivedMessageFromWorker') return;
        const inner = JSON.parse(params?.message ?? '{}') as Message;
        if (inner.method === 'Runtime.executionContextCreated') {
          sendTo(session, 'Runtime.evaluate', { expression: CRASH, contextId: inner.params?.context?.id });
          crashing = sent;
        } else if (inner.id === crashing) {
          clearTimeout(timer);
          resolve();
        }
      });
    });
  } finally {
    // The process waits at its end for a debugger to leave.
    socket.close();
  }
}
