/** MQTT over WebSocket [MQTT-6]: the HTTP server hands upgrades to `/mqtt` over. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, createWebSocketStream } from 'ws';
import type { WebSocket } from 'ws';

export interface WebSocketHost {
  readonly maxPayload: number;
  readonly trustProxy: boolean;
  admit(address: string | undefined): string | null;
  leave(key: string): void;
  attach(transport: Duplex, address: string, request: IncomingMessage): void;
}

export function webSockets(host: WebSocketHost): {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): void;
} {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: host.maxPayload,
    // would cost some hundred kB a connection
    perMessageDeflate: false,
    handleProtocols: (offered) => ['mqtt', 'mqttv3.1'].find((p) => offered.has(p)) ?? false,
  });

  return {
    handleUpgrade(request, socket, head) {
      socket.on('error', () => undefined);
      const answer = (status: string): void => {
        socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      };
      if ((request.url ?? '').split('?')[0] !== '/mqtt') return answer('404 Not Found');
      const forwarded = host.trustProxy ? String(request.headers['x-forwarded-for'] ?? '') : '';
      const address = forwarded.split(',').at(-1)?.trim() || (request.socket.remoteAddress ?? '');
      const key = host.admit(address);
      if (key === null) return answer('503 Service Unavailable');
      socket.once('close', () => host.leave(key));
      server.handleUpgrade(request, socket, head, (ws: WebSocket) => {
        ws.on('message', (_data, isBinary) => {
          if (!isBinary) ws.terminate(); // [MQTT-6.0.0-1]
        });
        host.attach(createWebSocketStream(ws, { readableHighWaterMark: 64 * 1024 }), address, request);
      });
      return undefined;
    },
    close() {
      for (const ws of server.clients) ws.terminate();
      server.close();
    },
  };
}
