// A real OpenID provider on this machine: orders come as lines of JSON on stdin, what happened goes out the same way.
// `configure` makes it anew with a client and people; with `rotate` its keys are others. `sign` makes a token as an application
// with hosted identity gets it; with `spoil` the next ID token is changed before it is given out, and signed anew. People sign in by
// their id and any password, and are asked for their consent.
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
let spoil;

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
  provider.use(async (context, next) => {
    await next();
    if (!spoil || !context.body?.id_token) return;
    const { claims, header, by } = spoil;
    const given = context.body.id_token;
    const merged = Object.entries({ ...jose.decodeJwt(given), ...claims }).filter(([, value]) => value !== null);
    context.body.id_token = await sign({ claims: Object.fromEntries(merged), header, by: by || 'provider', given });
    spoil = undefined;
  });
  handler = provider.callback();
}

// By the issuer's key for hosted identity, or as `by` says: `provider`, its key for ID tokens; `provider rsa`, its other one;
// `stranger`, by nobody's; `none`, by none at all; `public key`, `public pem` and `provider public pem`, with what everybody may know
// taken for a shared secret; `another body`, with a signature that was made for something else.
async function sign({ claims, header = {}, by = '', given }) {
  const ofProvider = by.startsWith('provider') || given !== undefined;
  const own = ofProvider ? keys.find((one) => one.alg === (by === 'provider rsa' ? 'RS256' : 'ES256')) : hosted.secret;
  const all = { alg: own.alg, kid: own.kid, ...header };
  const made = (secret, alg) => new jose.SignJWT(claims).setProtectedHeader({ ...all, alg: alg ?? all.alg }).sign(secret);
  if (by === 'none' || by === 'another body') {
    const part = (value) => jose.base64url.encode(JSON.stringify(value));
    const [, , signature] = by === 'none' ? ['', '', ''] : (given ?? (await new jose.SignJWT({}).setProtectedHeader(all).sign(await jose.importJWK(own)))).split('.');
    return `${part(by === 'none' ? { alg: 'none', ...header } : all)}.${part(claims)}.${signature}`;
  }
  if (by.includes('public')) {
    const { d, ...open } = own;
    const pem = async () => (await jose.exportSPKI(await jose.importJWK(open, own.alg)));
    return made(new TextEncoder().encode(by.endsWith('pem') ? await pem() : JSON.stringify(open)), 'HS256');
  }
  return made(by === 'stranger' ? (await key(own.alg)).privateKey : await jose.importJWK(own, own.alg));
}

async function obey(order) {
  if (order.rotate) keys = [(await key('RS256')).secret, (await key('ES256')).secret];
  if (order.rotate_hosted) hosted = await key('ES256');
  if (order.people) people = order.people;
  if (order.spoil) spoil = order.spoil;
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
