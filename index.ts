/** Veritape as a library: a venue inside this process, and the records it speaks. */
export { type Command, encodeCommand } from './journal/commands.ts';
export { decodeEvent, EventType, type VenueEvent } from './journal/events.ts';
export { JournalError } from './journal/findings.ts';
export { DEFAULT_LIMITS, type VenueLimits } from './journal/genesis.ts';
export { recordsOf } from './journal/order-terms.ts';
export { JournalReader } from './journal/reader.ts';
export { Reason, reasonName, reasonText } from './journal/reasons.ts';
export { type InProcessSession, NotTaken } from './ops/sessions/in-process-session.ts';
export { type RoutedAnswer, RoutingClient, type RoutingClientOptions } from './ops/sessions/routing-client.ts';
export { ClientError, VenueClient, type VenueClientOptions } from './ops/sessions/venue-client.ts';
export { type Notice, openVenue, type Venue, type VenueClosing, type VenueOptions } from './ops/venue/venue.ts';
export { BlockReader, BlockReaderError, type BlockReaderOptions, chainStart } from './sequencer/block-reader.ts';
export type { BlockRepair, BlockSink, BlockSource, RepairAnswer } from './sequencer/block-transport.ts';
export { DatagramBlocks, type DatagramBlocksOptions } from './sequencer/datagram-receiver.ts';
export { MulticastOptionError, type MulticastOptions } from './sequencer/datagram-sender.ts';
export { JournalRepair } from './sequencer/journal-repair.ts';
export type { Answer } from './sequencer/messages.ts';
export { execSubject, phaseSubject, topSubject, tradeSubject } from './sequencer/reports.ts';
