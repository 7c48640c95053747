// A real OpenID provider on this machine: orders come as lines of JSON on stdin, what happened goes out the same way.
// `configure` makes it anew with a client and people; with `rotate` its keys are others. `sign` makes a token as an application
// with hosted identity gets it. People sign in by their id and any password, and are asked for their consent.
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const require = createRequire(new URL('../../console/package.json', import.meta.url));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Provider } = await load('oidc-provider');
const jose = await load('jose');

const say = (facts) => process.stdout.write(`${JSON.stringify(facts)}\n`);

let handler = (_, response) => response.writeHead(503).end();
const server = createServer((request, response) => {
  if (request.url === '/hosted/keys') {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ keys: [hosted.jwk] }));
    return;
  }
  handler(request, response);
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://localhost:${server.address().port}`;

let made = 0;
async function key(alg) {
  made += 1;
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true });
  const about = { kid: `key-${made}`, alg, use: 'sig' };
  return { privateKey, secret: { ...(await jose.exportJWK(privateKey)), ...about }, jwk: { ...(await jose.exportJWK(publicKey)), ...about } };
}

let hosted = await key('ES256');
let keys = [(await key('RS256')).secret, (await key('ES256')).secret];
let people = {};

function configure(client) {
  const provider = new Provider(issuer, {
    clients: [client],
    scopes: ['openid', 'email', 'profile', 'groups'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    jwks: { keys },
    pkce: { required: () => true },
    cookies: { keys: ['for this test alone'] },
    // its own dispatcher lets nothing go to this machine, where the hub is
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  });
  handler = provider.callback();
}

async function sign({ claims, header = {}, by }) {
  const all = { alg: 'ES256', kid: hosted.jwk.kid, ...header };
  if (by === 'public key') {
    // the confusion of a shared secret with what everybody may know
    const secret = new TextEncoder().encode(JSON.stringify(hosted.jwk));
    return new jose.SignJWT(claims).setProtectedHeader({ ...all, alg: 'HS256' }).sign(secret);
  }
  if (by === 'provider') {
    // with the key that it signs ID tokens with
    const own = keys.find((one) => one.alg === 'ES256');
    return new jose.SignJWT(claims).setProtectedHeader({ ...all, kid: own.kid, ...header }).sign(await jose.importJWK(own));
  }
  const { privateKey } = by === 'stranger' ? await key('ES256') : hosted;
  return new jose.SignJWT(claims).setProtectedHeader(all).sign(privateKey);
}

async function obey(order) {
  if (order.rotate) keys = [(await key('RS256')).secret, (await key('ES256')).secret];
  if (order.rotate_hosted) hosted = await key('ES256');
  if (order.people) people = order.people;
  if (order.client) configure(order.client);
  return order.sign ? { token: await sign(order.sign) } : {};
}

say({ issuer });
createInterface({ input: process.stdin })
  .on('line', async (line) => {
    try {
      say({ done: true, ...(await obey(JSON.parse(line))) });
    } catch (error) {
      say({ done: false, error: String(error) });
    }
  })
  .on('close', () => process.exit(0));
