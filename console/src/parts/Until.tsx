import { dayOf, wholeTime } from "./times";

/** A time that is to come, or was the end of something, as a day: nobody counts the seconds of a key's life. */
export const Until = ({ at }: { at: string }) => (
  <time dateTime={at} title={wholeTime(at)}>
    {dayOf(at)}
  </time>
);
