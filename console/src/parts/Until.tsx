/** A time that is to come, or was the end of something, as a day: nobody counts the seconds of a key's life. */
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

export const dayOf = (at: string): string => days.format(new Date(at));

export const Until = ({ at }: { at: string }) => (
  <time dateTime={at} title={new Date(at).toLocaleString()}>
    {dayOf(at)}
  </time>
);
