/** Why the link was closed for good. Below 100 told by this browser, above by the protocol and the hub. */

/** No token: the session is over. */
const UNAUTHORIZED = 1;
/** Signed out in another tab. */
export const SIGNED_OUT_ELSEWHERE = 90;
/** Somebody else signed in, in another tab. */
export const ANOTHER_USER = 91;
const INVALID_TOKEN = 3500;
const SIGNED_OUT = 4500;
const ACCESS_ENDED = 4501;
/** Nobody is let in from where this browser is. */
const ADDRESS_REFUSED = 4502;

const OVER = new Set([UNAUTHORIZED, SIGNED_OUT_ELSEWHERE, ANOTHER_USER, INVALID_TOKEN, SIGNED_OUT, ACCESS_ENDED, ADDRESS_REFUSED]);

/** Whether the session ended with it. Anything else ends only this connection, and a person may ask for another. */
export const endsSession = (code: number): boolean => OVER.has(code);

export const endsAccess = (code: number): boolean => code === ACCESS_ENDED;

export const endsAddress = (code: number): boolean => code === ADDRESS_REFUSED;

/** Whether another tab has seen to what the browser keeps of the session: by now it may be that of a new one. */
export const elsewhere = (code: number): boolean => code === SIGNED_OUT_ELSEWHERE || code === ANOTHER_USER;
