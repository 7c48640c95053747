// Drives the unmodified npm client: orders come as lines of JSON on stdin, what happens goes out the same way.
// Usage: node sdk.mjs URL TOKEN [OPTIONS]. OPTIONS is JSON: `protobuf`, `transport` (http_stream or sse), and `asks`: who needs
// a token asks for it with `token_wanted`. Otherwise another token is "fresh", or what FRESH_TOKEN says.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [url, token, options = '{}'] = process.argv.slice(2);
const { protobuf, transport, asks } = JSON.parse(options);

const require = createRequire(new URL('../../console/package.json', import.meta.url));
const { Centrifuge } = require(protobuf ? 'centrifuge/build/protobuf' : 'centrifuge');

const tell = (event, facts) => process.stdout.write(JSON.stringify({ event, ...facts }) + '\n');

// In Protobuf a payload is bytes, of JSON by convention.
const encode = (data) => (protobuf ? new TextEncoder().encode(JSON.stringify(data)) : data);
const decode = (data) => (protobuf && data instanceof Uint8Array
  ? data.length ? JSON.parse(new TextDecoder().decode(data)) : undefined
  : data);

const about = (info) => info && {
  user: info.user,
  client: info.client,
  conn_info: decode(info.connInfo),
  chan_info: decode(info.chanInfo),
};
const said = ({ data, offset, tags, info }) => ({ data: decode(data), offset, tags, info: about(info) });

let asked = 0;
const waiting = new Map();

function tokenFor(channel) {
  if (!asks) return Promise.resolve(process.env.FRESH_TOKEN ?? 'fresh');
  asked += 1;
  tell('token_wanted', { n: asked, channel });
  return new Promise((resolve) => waiting.set(asked, resolve));
}

const http = url.replace(/^ws/, 'http').replace(/\/connection\/.*/, '');
const endpoint = transport ? [{ transport, endpoint: `${http}/connection/${transport}` }] : url;
const client = new Centrifuge(endpoint, {
  token,
  getToken: () => tokenFor(),
  emulationEndpoint: `${http}/emulation`,
  minReconnectDelay: 50,
  maxReconnectDelay: 500,
});

client.on('connecting', ({ code }) => tell('connecting', { code }));
client.on('connected', ({ transport, client }) => tell('connected', { transport, client }));
client.on('disconnected', ({ code, reason }) => tell('disconnected', { code, reason }));
client.on('error', ({ error }) => {
  // a transport that closes while the hub is away is told as `connecting`
  if (error.code >= 100) tell('error', { code: error.code });
});

const standing = ({ channel, recoverable, positioned, wasRecovering, recovered, data }) =>
  ({ channel, recoverable, positioned, wasRecovering, recovered, data: decode(data) });

// Of subscriptions that the server makes.
client.on('subscribed', (its) => tell('subscribed', { server: true, ...standing(its) }));
client.on('unsubscribed', ({ channel }) => tell('unsubscribed', { server: true, channel }));
client.on('publication', (its) => tell('publication', { server: true, channel: its.channel, ...said(its) }));
client.on('join', ({ channel, info }) => tell('join', { server: true, channel, info: about(info) }));
client.on('leave', ({ channel, info }) => tell('leave', { server: true, channel, info: about(info) }));

const subscriptions = new Map();

const kinds = {
  map: 'newMapSubscription',
  clients: 'newMapClientsSubscription',
  users: 'newMapUsersSubscription',
  poll: 'newSharedPollSubscription',
};
const entry = ({ key, data, removed, info }) => ({ key, data: removed ? null : decode(data), removed, info: about(info) });

function subscribe(channel, { since, delta, filter, token, map, pageSize }) {
  const subscription = client[kinds[map] ?? 'newSubscription'](channel, {
    since,
    delta,
    pageSize,
    tagsFilter: filter,
    getToken: token ? () => tokenFor(channel) : null,
    minResubscribeDelay: 50,
    maxResubscribeDelay: 500,
  });
  if (map) {
    subscription.on('sync', ({ entries }) => tell('sync', { channel, entries: entries.map(entry) }));
    subscription.on('update', (its) => tell('update', { channel, ...entry(its) }));
  }
  subscriptions.set(channel, subscription);
  subscription.on('subscribing', ({ code }) => tell('subscribing', { channel, code }));
  subscription.on('subscribed', (its) => tell('subscribed', standing(its)));
  subscription.on('unsubscribed', ({ code }) => tell('unsubscribed', { channel, code }));
  subscription.on('error', ({ error }) => tell('subscription_error', { channel, code: error.code }));
  if (!map) subscription.on('publication', (its) => tell('publication', { channel, ...said(its) }));
  subscription.on('join', ({ info }) => tell('join', { channel, info: about(info) }));
  subscription.on('leave', ({ info }) => tell('leave', { channel, info: about(info) }));
  subscription.subscribe();
}

async function answer({ ask, channel, data, ...rest }) {
  switch (ask) {
    case 'publish':
      await client.publish(channel, encode(data));
      return {};
    case 'map_publish':
      await client.mapPublish(channel, rest.key, encode(data));
      return {};
    case 'map_remove':
      await client.mapRemove(channel, rest.key);
      return {};
    case 'presence': {
      const { clients } = await client.presence(channel);
      return Object.fromEntries(Object.entries(clients).map(([id, info]) => [id, about(info)]));
    }
    case 'presence_stats': {
      const { numClients, numUsers } = await client.presenceStats(channel);
      return { clients: numClients, users: numUsers };
    }
    case 'history': {
      const { publications, offset, epoch } = await client.history(channel, rest);
      return { publications: publications.map(said), offset, epoch };
    }
    case 'deltas':
      return subscriptions.get(channel).deltaStats().numDeltaPayloads;
  }
  throw new Error(`there is nothing called ${ask}`);
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  if (order.subscribe) subscribe(order.subscribe, order);
  if (order.track) subscriptions.get(order.track).track(order.items, order.signature);
  if (order.untrack) subscriptions.get(order.untrack).untrack(order.keys);
  if (order.unsubscribe) subscriptions.get(order.unsubscribe).unsubscribe();
  if (order.disconnect) client.disconnect();
  if (order.connect) client.connect();
  if (order.token !== undefined && order.n) waiting.get(order.n)(order.token);
  if (order.ask) {
    answer(order).then(
      (result) => tell('answer', { result }),
      (error) => tell('answer', { error: error.code ?? String(error) }),
    );
  }
}).on('close', () => process.exit(0));

client.connect();
