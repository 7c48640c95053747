// Drives the unmodified npm client: orders come as lines of JSON on stdin, what happens goes out the same way.
// Usage: node sdk.mjs URL TOKEN. A client that asks for another token gets "fresh", or what FRESH_TOKEN says.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(new URL('../../console/package.json', import.meta.url));
const { Centrifuge } = require('centrifuge');

const tell = (event, facts) => process.stdout.write(JSON.stringify({ event, ...facts }) + '\n');

const [url, token] = process.argv.slice(2);
const client = new Centrifuge(url, {
  token,
  getToken: async () => process.env.FRESH_TOKEN ?? 'fresh',
  minReconnectDelay: 50,
  maxReconnectDelay: 500,
});

client.on('connecting', ({ code }) => tell('connecting', { code }));
client.on('connected', ({ transport }) => tell('connected', { transport }));
client.on('disconnected', ({ code, reason }) => tell('disconnected', { code, reason }));
client.on('error', ({ error }) => {
  // a transport that closes while the hub is away is told as `connecting`
  if (error.code >= 100) tell('error', { code: error.code });
});

const subscriptions = new Map();

function subscribe(channel, since) {
  const subscription = client.newSubscription(channel, { since, minResubscribeDelay: 50, maxResubscribeDelay: 500 });
  subscriptions.set(channel, subscription);
  subscription.on('subscribing', ({ code }) => tell('subscribing', { channel, code }));
  subscription.on('subscribed', ({ recoverable, wasRecovering, recovered }) =>
    tell('subscribed', { channel, recoverable, wasRecovering, recovered }));
  subscription.on('unsubscribed', ({ code }) => tell('unsubscribed', { channel, code }));
  subscription.on('publication', ({ data, offset }) => tell('publication', { channel, data, offset }));
  subscription.subscribe();
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  if (order.subscribe) subscribe(order.subscribe, order.since);
  if (order.unsubscribe) subscriptions.get(order.unsubscribe).unsubscribe();
}).on('close', () => process.exit(0));

client.connect();
