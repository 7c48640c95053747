/** Passkeys, between the hub's JSON and what the browser takes and gives. */

interface Descriptor {
  type: "public-key";
  id: string;
  transports?: AuthenticatorTransport[];
}

interface RequestOptions {
  challenge: string;
  rpId: string;
  timeout: number;
  userVerification: UserVerificationRequirement;
  allowCredentials: Descriptor[];
}

interface CreationOptions {
  challenge: string;
  rp: PublicKeyCredentialRpEntity;
  user: { id: string; name: string; displayName: string };
  pubKeyCredParams: PublicKeyCredentialParameters[];
  timeout: number;
  excludeCredentials: Descriptor[];
  authenticatorSelection: AuthenticatorSelectionCriteria;
}

export function toBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}

export function toText(bytes: ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const listed = (all: Descriptor[]) => all.map((one) => ({ ...one, id: toBytes(one.id) }));

/** Whether this page may use passkeys: the browser knows them, and the page was opened by a name. */
export const passkeysWork = (): boolean => "PublicKeyCredential" in window && !/^[\d.]+$|^\[/.test(location.hostname);

/** Has the person choose and show a passkey. Throws where they would not. */
export async function showPasskey(options: unknown): Promise<Record<string, unknown>> {
  const { challenge, rpId, timeout, userVerification, allowCredentials } = options as RequestOptions;
  const publicKey = { challenge: toBytes(challenge), rpId, timeout, userVerification, allowCredentials: listed(allowCredentials) };
  const shown = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential;
  const { authenticatorData, clientDataJSON, signature, userHandle } = shown.response as AuthenticatorAssertionResponse;
  return answer(shown, {
    authenticatorData: toText(authenticatorData),
    clientDataJSON: toText(clientDataJSON),
    signature: toText(signature),
    userHandle: userHandle && toText(userHandle),
  });
}

/** Has the person make a passkey. Throws where they would not. */
export async function makePasskey(options: unknown): Promise<Record<string, unknown>> {
  const { challenge, rp, user, pubKeyCredParams, timeout, excludeCredentials, authenticatorSelection } = options as CreationOptions;
  const publicKey = {
    challenge: toBytes(challenge),
    rp,
    user: { ...user, id: toBytes(user.id) },
    pubKeyCredParams,
    timeout,
    authenticatorSelection,
    excludeCredentials: listed(excludeCredentials),
  };
  const made = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential;
  const response = made.response as AuthenticatorAttestationResponse;
  return answer(made, {
    attestationObject: toText(response.attestationObject),
    clientDataJSON: toText(response.clientDataJSON),
    transports: response.getTransports(),
  });
}

function answer(credential: PublicKeyCredential, response: Record<string, unknown>): Record<string, unknown> {
  const { id, type, authenticatorAttachment } = credential;
  return { id, rawId: toText(credential.rawId), type, authenticatorAttachment, clientExtensionResults: {}, response };
}
