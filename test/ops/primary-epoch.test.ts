import { afterAll, expect, test } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { TIMELINE_EPOCHS } from '../../journal/timelines.ts';
import { natsConnectionOptions, startNatsServer } from '../../ops/nats-server.ts';
import { ReplyInbox } from '../../ops/sessions/reply-inbox.ts';
import { PrimaryEpoch } from '../../ops/venue/primary-epoch.ts';
import { ANSWER_WORDS, encodeRefusal, encodeReply, type Refusal, replyBytes } from '../../sequencer/messages.ts';
import { primarySubject } from '../../sequencer/nats-gateway.ts';

const REFUSAL: Refusal = { error: 'unauthorized', field: 'session', value: 7, rule: 'an open session' };
const server = await startNatsServer();
afterAll(() => server.stop());

function acknowledgement(epoch: number): Uint8Array {
  const reply = new Uint8Array(replyBytes(1));
  encodeReply(new Uint32Array(ANSWER_WORDS), 0, 1, reply, epoch);
  return reply;
}

test('a refusal by a server that was fenced is not taken, an acknowledgement always is', () => {
  const primary = new PrimaryEpoch();
  expect(primary.read(encodeRefusal(REFUSAL, 1))).toEqual(REFUSAL);
  expect(primary.read(acknowledgement(2))).toBeInstanceOf(Uint32Array);
  expect(() => primary.read(encodeRefusal(REFUSAL, 1))).toThrow('refused by a server that was fenced: unauthorized');
  expect(primary.read(acknowledgement(1))).toBeInstanceOf(Uint32Array);
  expect(primary.read(encodeRefusal(REFUSAL, 2))).toEqual(REFUSAL);
  expect(primary.read(encodeRefusal(REFUSAL))).toEqual(REFUSAL);
});

test('what is unanswered when another server has taken over is asked again, unless that one has it all', async () => {
  const connection = await connect(natsConnectionOptions(server.url));
  const inbox = new ReplyInbox(connection);
  const primary = new PrimaryEpoch();
  primary.follow(connection, 0, inbox);
  connection.subscribe('nowhere');
  const before = inbox.ask('nowhere', new Uint8Array(1), 60_000).catch((error: Error) => error.message);
  const announce = (place: object): void => connection.publish(primarySubject(0), JSON.stringify(place));
  announce({ epoch: 2, complete: true });
  expect(await Promise.race([before, new Promise((resolve) => setTimeout(resolve, 400))])).toBeUndefined();
  connection.publish(primarySubject(0), 'no announcement');
  announce({ epoch: 2 });
  expect(await Promise.race([before, new Promise((resolve) => setTimeout(resolve, 400))])).toBeUndefined();
  announce({ epoch: 3, complete: false });
  await connection.flush();
  const after = inbox.ask('nowhere', new Uint8Array(1), 1_500).catch((error: Error) => error.message);
  expect(await before).toBe('another server has taken over');
  expect(await after).toBe('timeout');
  expect(() => primary.read(encodeRefusal(REFUSAL, 2))).toThrow('fenced');
  await connection.close();
});

test('a venue that was restored is told from the one before, whose acknowledgements count no more', () => {
  const restored = TIMELINE_EPOCHS + 1;
  const before = new PrimaryEpoch();
  expect(before.read(acknowledgement(7))).toBeInstanceOf(Uint32Array);
  expect(() => before.read(acknowledgement(restored))).toThrow(`restored from a backup (epoch ${restored} after 7)`);
  const after = new PrimaryEpoch();
  expect(after.read(acknowledgement(restored))).toBeInstanceOf(Uint32Array);
  expect(() => after.read(acknowledgement(7))).toThrow('answered by a venue that was restored since');
  expect(after.read(acknowledgement(restored + 1))).toBeInstanceOf(Uint32Array);
});
