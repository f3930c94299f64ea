/** What the HTTP side needs from whoever puts the parts together, and what it gives back. */
import type { Server } from 'node:http';
import type { Registry as Metrics } from 'prom-client';
import type { Packet } from '../model/packet.ts';
import type { Clock } from '../model/time.ts';
import type { Registry } from '../registry/registry.ts';
import type { ObservationColumns, ObservationStore } from '../store/store.ts';
import type { BoxHealth, ModelTurn, PoolInForce, StationVerdict } from '../calibration/stage.ts';
import type { LatestTable } from './latest.ts';
import type { StaHost } from './sta/host.ts';

/** The state of one part, for `/healthz`, `/readyz` and `doctor`. */
export interface PartHealth {
  readonly name: string;
  readonly ok: boolean;
  /** In words for the operator; '' when ok. Shown publicly: no paths, no secrets. */
  readonly problem: string;
}

export interface ApiLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** One run of QC and correction over history (ingest/revisions.ts). Times in epoch ms; `box` '' = all. */
export interface RevisionEntry {
  readonly number: number;
  readonly product: 'revised' | 'archive';
  readonly from: number;
  readonly to: number;
  readonly box: string;
  readonly issuedAt: number;
  readonly code: string;
  readonly learntFrom: number;
  readonly values: number;
  readonly moved: number;
  readonly lost: number;
  readonly gained: number;
  readonly flags: number;
  readonly meanShift: number;
  readonly maxShift: number;
  readonly sha256: string;
}

/** What moved of one box and property on the UTC day that begins at `day`. */
export interface RevisionChange {
  readonly thingNum: number;
  readonly property: string;
  readonly day: number;
  readonly values: number;
  readonly moved: number;
  readonly lost: number;
  readonly gained: number;
  readonly flags: number;
  readonly meanShift: number;
  readonly maxShift: number;
}

export interface RevisionReader {
  /** Oldest first. */
  list(): readonly RevisionEntry[];
  editions(): {
    of(
      thingNum: number,
      phenomenonTime: number,
      resultTime: number,
    ): { readonly product: 'live' | 'revised' | 'archive'; readonly revision: number };
  };
  changes(number: number): readonly RevisionChange[];
}

export interface ApiOptions {
  readonly registry: Registry;
  readonly store: ObservationStore;
  /** The newest row of each datastream; `startApi` fills it from the store, `Api.live` keeps it going. */
  readonly latest: LatestTable;
  /** Puts a packet into the journal; resolves after fsync. A rejection becomes 503 and the sender tries again. */
  readonly accept: (packet: Packet) => Promise<unknown>;

  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
  /** `https://…` under which the world sees this server, '' = as the request says. */
  readonly publicUrl?: string;
  /** Take client addresses from `X-Forwarded-For` (behind a reverse proxy). Default false. */
  readonly trustProxy?: boolean | string;
  /** Who publishes the data, for catalogues. Default Lamppost. */
  readonly publisher?: string;
  /** Public: an e-mail address or URL for questions, '' = the page `/data`. */
  readonly contact?: string;
  /** IANA zone of the local times in answers. Default Asia/Taipei. */
  readonly timezone?: string;
  /** `LAMPPOST_ADMIN_TOKEN`; '' = only admin tokens of the registry count. */
  readonly adminToken?: string;
  /** Unregistered boxes may use the push endpoints. Default false. */
  readonly openPush?: boolean;
  /** Folder with the built web pages, '' = none. */
  readonly dashboard?: string;
  /** Folder served at `/dumps/`, '' = none. */
  readonly dumps?: string;
  /** The manifest of a box's files by month, which are written when it is asked for; null = no such box. */
  readonly boxDumps?: (id: string) => Promise<object | 'busy' | null>;
  /** Folder of firmware images to flash from the browser (`routes/firmware.ts`), '' = none. */
  readonly firmware?: string;
  /** What `/api/v1/config` tells the web pages besides (public!). */
  readonly publicConfig?: Readonly<Record<string, unknown>>;

  readonly health?: () => Promise<readonly PartHealth[]> | readonly PartHealth[];
  /** Metrics of the other parts; those of HTTP are added. */
  readonly metrics?: Metrics;
  /** SensorThings at `/sta/v1.1`; in a scratch instance anyone may write. */
  readonly sta?: { readonly host: StaHost; readonly scratch: boolean };
  /** What the nights say of a box; null = not yet judged. */
  readonly quality?: (thingNum: number) => Promise<BoxHealth | null>;
  /** Reference stations that are not believed, or whose clock was put right. */
  readonly stationVerdicts?: () => readonly StationVerdict[];
  /** The changelog of values; absent = every value is the live one. */
  readonly revisions?: RevisionReader;
  /** The pooled models in force and those in their shadow. */
  readonly modelsInForce?: () => readonly PoolInForce[];
  /** What happened between models, newest first. */
  readonly modelTurns?: (limit: number) => readonly ModelTurn[];
  /** What is known about a model, as JSON; null = nothing beyond its id. */
  readonly modelCard?: (id: string) => Promise<Record<string, unknown> | null>;

  /** Requests a minute and client address; false = no limit. Default 6,000 reading (loopback 600,000), 60 registrations (loopback 60,000). */
  readonly rateLimit?: RateLimits | false;
  /** Wrong keys, tokens and links a minute and client address before it has to wait. Default 30 (loopback 3,000). */
  readonly maxGuesses?: number;
  /** Sends the mail that asks whether an address wants the alerts of a box; absent = this server sends no mail. */
  readonly confirmEmail?: (mail: ConfirmationMail) => Promise<void>;
  /** Whether this is the credential that an unclaimed box has in its own network; absent = no format is proven so. */
  readonly provesKey?: (format: string, nativeId: string, key: string) => boolean;
  /** The key of a box has ended (new key, paused, retired): connections that were opened with it are to be closed. */
  readonly onKeyEnded?: (box: string) => void;
  /** Rows kept in memory for clients that resume a stream. Default 50,000. */
  readonly streamBuffer?: number;
  /** Default 1,000. */
  readonly maxStreams?: number;
  /** CSV and NDJSON answers at once; each holds a few pieces of 20,000 rows. Default 64. */
  readonly maxExports?: number;
  /** How far back the table of latest values is filled at start [ms]. @default LATEST_SPAN */
  readonly latestSpan?: number;
  /** The table is being filled already: a million boxes take ten seconds, in which other threads start. Rejects as the store's `latest` does. */
  readonly filled?: Promise<void>;
  readonly clock?: Clock;
  readonly logger?: ApiLogger;
}

export interface ConfirmationMail {
  readonly to: string;
  readonly box: string;
  readonly url: string;
  readonly lang: 'zh-TW' | 'en';
}

export interface RateLimits {
  readonly read: number;
  readonly register: number;
  readonly loopbackRead: number;
  readonly loopbackRegister: number;
  /** Reports about boxes, an hour. Default 20 (loopback 60,000). */
  readonly feedback?: number;
}

export interface Api {
  readonly port: number;
  readonly url: string;
  /** For the WebSocket upgrade at `/mqtt`. */
  readonly server: Server;
  /** Every address that is answered, with its method. */
  readonly routes: readonly { readonly method: string; readonly url: string }[];
  /** Rows that the store has just taken: into the table of latest values and out to the streams. */
  live(rows: ObservationColumns): void;
  /** Boxes of which something came that was no reading, by number, and when. */
  heard(boxes: ReadonlyMap<number, number>): void;
  /** What a box said on its status topic, or its last will for it. */
  status(box: string, status: string): void;
  /** Ends streams, lets running requests finish (bounded), closes the port. */
  close(): Promise<void>;
}
