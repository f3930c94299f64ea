/** Why something was refused, as counted and logged. */
export type Refusal =
  // connections
  | 'too-many-connections'
  | 'too-many-from-address'
  | 'not-authenticated-in-time'
  | 'protocol-version'
  | 'client-id'
  | 'credentials'
  | 'will-not-allowed'
  | 'malformed'
  | 'too-large'
  | 'keep-alive'
  | 'idle'
  | 'journal-refuses'
  | 'slow-subscriber'
  // publishes
  | 'bad-topic'
  | 'no-such-topic'
  | 'not-your-box'
  | 'no-write-token'
  | 'topic-not-open'
  | 'status-too-long'
  | 'sensorthings-refused'
  // subscriptions
  | 'subscribe';

/** Counters since the start, and gauges of now. */
export interface BrokerStats {
  /** Open now. */
  connections: number;
  connectionsTotal: number;
  /** MQTT packets of any kind. */
  packets: number;
  /** Publishes of readings that came. */
  publishes: number;
  /** Publishes of readings that are durable; of QoS 1 and 2 acknowledged. */
  accepted: number;
  /** Bytes that came. */
  bytes: number;
  /** Bytes of publishes that are not yet durable. */
  pendingBytes: number;
  /** Times that the journal refused a publish, which was then held and tried again. */
  held: number;
  /** 0x1A bytes between packets. */
  strayBytes: number;
  /** Live messages left out because subscribers did not keep up. */
  liveDropped: number;
  refused: Partial<Record<Refusal, number>>;
}

export const newStats = (): BrokerStats => ({
  connections: 0,
  connectionsTotal: 0,
  packets: 0,
  publishes: 0,
  accepted: 0,
  bytes: 0,
  pendingBytes: 0,
  held: 0,
  strayBytes: 0,
  liveDropped: 0,
  refused: {},
});
