import { parentPort, workerData } from 'node:worker_threads';
import { connect } from '@nats-io/transport-node';
import { natsConnectionOptions } from '../ops/nats-server.ts';
import { ANSWER_BYTES, MESSAGE_COMMANDS_MAX, MESSAGE_HEADER_BYTES } from '../sequencer/messages.ts';

/** A thread that answers every request at once, with as many bytes as a venue answers a full message. */
export interface EchoData {
  readonly url: string;
  readonly subject: string;
}

const { url, subject } = workerData as EchoData;
const connection = await connect(natsConnectionOptions(url));
const reply = new Uint8Array(MESSAGE_HEADER_BYTES + MESSAGE_COMMANDS_MAX * ANSWER_BYTES);
connection.subscribe(subject, {
  callback: (_, message) => {
    message.respond(reply);
  },
});
await connection.flush();
parentPort?.postMessage('ready');
