/** Where Mosquitto is; undefined = not installed. */
import { existsSync } from 'node:fs';

export const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto'].find((p) =>
  existsSync(p),
);
