/** A time that is to come, or was the end of something, as a day: nobody counts the seconds of a key's life. */
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

export const Until = ({ at }: { at: string }) => (
  <time dateTime={at} title={new Date(at).toLocaleString()}>
    {day.format(new Date(at))}
  </time>
);
